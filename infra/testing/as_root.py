"""Tests that root runs by hand (`python -m pytest`): they go on as an account of their own.

The product runs nothing as root, so what its tests start must not be root's either. Yet a test has
a Python, a clone and folders that may be readable by root alone, and mounts file systems: the
account keeps those of root's rights (Linux capabilities) that this takes. It is not the account of
stacks: what the tests leave behind in the clone is none of that one's.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.errors import AirlineError
from infra.settings import ROOT
from infra.stack import entrance

ACCOUNT = f"{entrance.USUAL}-tests"
# Name -> its number in /proc. A container may lack some.
RIGHTS = {
    "chown": 0,
    "dac_override": 1,
    "dac_read_search": 2,
    "fowner": 3,
    "kill": 5,
    "setgid": 6,
    "setuid": 7,
    "sys_admin": 21,
}

# Flags of `test` that start servers.
SERVERS = ("--unit", "--integration", "--e2e", "--whole", "--reliability", "--long")


def is_for_the_clone_alone(arguments: Sequence[str]) -> bool:
    """Whether it is lint, which reads and mends the clone's files, and starts no server."""
    return arguments[:1] == ["test"] and "--lint" in arguments and not {*SERVERS} & {*arguments}


def leave(command: Sequence[str]) -> None:
    """Goes on as `command`, run by the tests' account; returns where this process is not root's."""
    if os.geteuid() != 0:
        return
    entry = entrance.account(ACCOUNT)
    program = shutil.which("setpriv")
    if program is None:
        raise AirlineError(
            "tests do not run as root, and there is no setpriv to run them otherwise",
            "call './airline test', or this as an ordinary user",
        )
    held = ",".join(["-all", *(f"+{name}" for name, bit in RIGHTS.items() if _held() >> bit & 1)])
    sys.stdout.flush()
    os.execve(
        program,
        [
            program,
            f"--reuid={entry.pw_uid}",
            f"--regid={entry.pw_gid}",
            "--clear-groups",
            f"--inh-caps={held}",
            f"--ambient-caps={held}",
            # access(2) counts them too.
            "--securebits=+no_setuid_fixup",
            *command,
        ],
        {
            **os.environ,
            # In root's clone `.airline` is the account's that stacks run as.
            "AIRLINE_TEST_HOME": os.environ.get("AIRLINE_TEST_HOME", str(ROOT / ".airline-tests")),
            "USER": ACCOUNT,
            "LOGNAME": ACCOUNT,
            # Nothing that another account wrote is what root's Python loads later.
            "PYTHONDONTWRITEBYTECODE": "1",
            # The clone is root's, and git asks whose it is.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        },
    )


def _held() -> int:
    """The capabilities of this process, a bit each."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("CapPrm:")[2].split()[0], 16)

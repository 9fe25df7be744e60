"""The administration's login, in a storage that a version before it made, or with new secrets.

A storage is formatted with that login in it; all other logins are made by the administration, at
each `up`. Where the storage does not have it, nobody could come in to make it. So a broker runs for
a moment, on ports of its own, for one who has a password that is made for this moment alone.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from infra.errors import AirlineError
from infra.kafka import access
from infra.kafka.broker import LANGUAGE, Broker, write_private
from infra.settings import Settings
from infra.stack import ports, runtime
from infra.stack.processes import end, tail
from infra.stack.waiting import wait_until

USER = "kafka_upgrade"
# How long the broker may take to come up, in seconds.
PATIENCE = 180


def is_missing(broker: Broker) -> bool:
    """Whether the administration's password is not the one that the storage was given."""
    noted = _noted(broker.settings)
    return broker.is_formatted and (
        not noted.exists() or noted.read_text() != _mark(broker.settings)
    )


def note(settings: Settings) -> None:
    """The storage has the login now."""
    runtime.write_private(_noted(settings), _mark(settings))


def make(broker: Broker) -> None:
    """Gives the storage the login, while the broker does not run. Killed half-way it is done
    again.
    """
    settings = broker.settings
    port, controller_port = ports.free(settings.host, 2)
    once = os.urandom(24).hex()
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    further = {
        "listeners": f"CLIENTS://{settings.host}:{port},"
        f"CONTROLLER://{settings.host}:{controller_port}",
        "advertised.listeners": f"CLIENTS://{settings.host}:{port}",
        "controller.quorum.voters": f"1@{settings.host}:{controller_port}",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config": f'{plain} username="{USER}" '
        f'password="{once}" user_{USER}="{once}";',
        "super.users": f"User:{access.ADMIN};User:{USER}",
    }
    # The last one of a name counts.
    lines = [broker.configuration.read_text(), *(f"{key}={further[key]}" for key in further), ""]
    file = broker.configuration.with_name("broker.upgrade.properties")
    write_private(settings, file.name, "\n".join(lines))
    try:
        with _running(broker, file) as (process, log):
            client = access.options(f"{settings.host}:{port}", USER, once, "PLAIN")

            def failed() -> AirlineError:
                return AirlineError(
                    "Kafka's storage could not be given a password",
                    f"see the end of its log below, all of it in {log}; './airline up' tries again",
                    tail(log, 12),
                )

            def is_made() -> bool:
                if process.poll() is not None:
                    raise failed()
                return _set_password(settings, client)

            wait_until(is_made, PATIENCE, failed)
    finally:
        file.unlink(missing_ok=True)
    note(settings)


def _set_password(settings: Settings, client: dict) -> bool:
    from kafka import KafkaAdminClient
    from kafka.admin import UserScramCredentialUpsertion
    from kafka.errors import KafkaError

    login = UserScramCredentialUpsertion(
        access.ADMIN, access.MECHANISM, settings.secret(access.ADMIN)
    )
    try:
        with closing(KafkaAdminClient(**client, bootstrap_timeout_ms=2000)) as admin:
            return not any(admin.alter_user_scram_credentials([login]).values())
    except (KafkaError, OSError, AssertionError):
        return False


@contextmanager
def _running(broker: Broker, configuration: Path) -> Iterator[tuple[psutil.Popen, Path]]:
    """The broker with another configuration, and its log."""
    for process in psutil.process_iter(["cmdline"]):
        if str(configuration) in (process.info["cmdline"] or ()):
            # Of an `up` that was killed.
            end(process)
    settings = broker.settings
    log = runtime.make_folder(settings, settings.home / "logs") / "kafka-upgrade.log"
    with log.open("ab") as output:
        process = psutil.Popen(
            broker.command_with(configuration),
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), **LANGUAGE},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, log
    finally:
        end(process, 90)


def _noted(settings: Settings) -> Path:
    return settings.home / "data" / "kafka.login"


def _mark(settings: Settings) -> str:
    return hashlib.sha256(settings.secret(access.ADMIN).encode()).hexdigest()

"""`--help` of every verb, by any Python: nothing is installed for it.

./airline asks here first where one of its arguments is -h or --help.
"""

from __future__ import annotations

import sys

from infra.cli.__main__ import parser
from infra.cli.verbs import VERBS, parser_of
from infra.errors import AirlineError
from infra.settings import ROOT
from infra.stack.progress import complain

# The exit code for "not asked, or another program is": ./airline goes on as ever (EX_TEMPFAIL).
NOT_OURS = 75


def main(argv: list[str]) -> int:
    """Prints the help that is asked for; returns the exit code."""
    if not argv or argv[0] not in VERBS:
        parser().parse_args(argv)
        return NOT_OURS
    name, arguments = argv[0], argv[1:]
    verb = VERBS[name]
    if verb.of:
        if (ROOT / ".venv" / "bin" / name).exists() or arguments not in (["-h"], ["--help"]):
            return NOT_OURS
        print(
            f"usage: airline {name} ARGUMENTS\n\n{verb.help}\n\n"
            f"ARGUMENTS are {verb.of}'s, which prints its own help here once it is installed "
            "('./airline up')"
        )
        return 0
    # Prints and ends where it is the verb's own help; `psql dwh --help` is psql's.
    parser_of(name).parse_known_args(arguments)
    return NOT_OURS


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except AirlineError as error:
        # A setting that cannot be used: some help shows them.
        complain(str(error))
        sys.exit(1)

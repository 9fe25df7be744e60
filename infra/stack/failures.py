"""Failures as people want to see them: one line that says what to do, and no traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from infra.errors import MAKE_ROOM, AirlineError
from infra.stack.progress import complain


def explained(command: Callable[[], int]) -> int:
    """Runs a command; returns its exit code, or that of what ended it."""
    # Here, for help is there before any package is.
    import psycopg2
    import psycopg2.errors

    from catalogue import CatalogueError

    try:
        code = command()
        # What nobody reads any more is noticed here, and not when the process has ended. There is
        # no stream at all where the caller has closed it.
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except AirlineError as error:
        complain(str(error))
        if error.detail:
            print("\n".join(f"    {line}" for line in error.detail.splitlines()), file=sys.stderr)
    except CatalogueError as error:
        complain(f"{error}; mend the file")
    except psycopg2.errors.DiskFull as error:
        complain(f"a database cannot write ({str(error).splitlines()[0]}); {MAKE_ROOM}")
    except psycopg2.errors.ReadOnlySqlTransaction:
        complain(
            "a database takes no writes: default_transaction_read_only is on for the server, the "
            "database or the role, or it is a standby; './airline status' names it. Switch it off, "
            "then the same again"
        )
    except psycopg2.OperationalError as error:
        complain(
            f"a database does not answer ({str(error).strip()}); "
            "see './airline status', start what does not run with './airline up'"
        )
    except BrokenPipeError:
        # Whoever read the output has enough of it (`| head`). Nothing may be flushed at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        complain(f"cannot write {error.filename or 'the state folder'}; {MAKE_ROOM}")
    except KeyboardInterrupt:
        complain("interrupted; services that were started go on, './airline down' stops them")
        return 130
    except Exception as error:
        # Imported by those verbs alone that talk to Kafka: it takes longer than most others do.
        kafka = sys.modules.get("kafka.errors")
        if kafka is None or not isinstance(error, kafka.KafkaError):
            raise
        complain(
            f"Kafka does not answer as it should ({error}); "
            "see './airline status', start what does not run with './airline up'"
        )
    return 1

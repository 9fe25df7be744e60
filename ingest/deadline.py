"""A limit for how long a server may take to answer: libpq itself waits without one.

TCP timeouts do not help where a proxy in between still acknowledges packets.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import psycopg2


@contextlib.contextmanager
def deadline(connection: psycopg2.extensions.connection, seconds: float) -> Iterator[None]:
    """Closes the socket of `connection` if the block takes longer than `seconds`.

    The block then sees an OperationalError without SQLSTATE, as for any broken connection.
    """
    # A duplicate of the descriptor: libpq may close its own, and the number be reused, any time.
    ours = socket.socket(fileno=os.dup(connection.fileno()))
    passed = threading.Event()

    def break_off() -> None:
        passed.set()
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg2.Error as error:
        if passed.is_set():
            raise psycopg2.OperationalError(f"no answer within {seconds:.0f} s") from error
        raise
    finally:
        timer.cancel()
        timer.join()
        ours.close()

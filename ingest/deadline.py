"""A limit for how long a server may take to answer: libpq would wait for ever.

TCP's own limits do not help where whatever is between the two still acknowledges what is sent.
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
    """Breaks `connection` off where what is done within takes longer than `seconds`.

    That is then an OperationalError without SQLSTATE, as of any connection that broke.
    """
    # Our own name for the socket: the connection's may be closed, and used again, at any moment.
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

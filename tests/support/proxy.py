"""A TCP proxy on loopback that passes bytes on, late, or not at all."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass


@dataclass
class _Link:
    """Two connections that are one. `lost`: each end believes in the other, and nothing comes."""

    near: socket.socket
    far: socket.socket | None
    lost: bool = False

    def close(self, *, reset: bool = False) -> None:
        for end in (self.near, self.far):
            if end is not None:
                _close(end, reset=reset)


class Proxy:
    """Listens on a free port of 127.0.0.1, `port`, for whoever should reach `target` through it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._delay = 0.0
        self._mode = "pass"
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    # -- what goes wrong ----------------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """Everything that is sent takes so long, in both directions."""
        self._delay = seconds

    def cut(self) -> None:
        """Resets all connections, and each new one."""
        with self._lock:
            self._mode = "cut"
            for link in self._links:
                link.close(reset=True)
            self._links.clear()

    def half_open(self) -> None:
        """As if a cable were out: what is sent is swallowed, nothing is closed, on new connections
        too. Those that exist never come back, as where a firewall has forgotten them.
        """
        with self._lock:
            self._mode = "half-open"
            for link in self._links:
                link.lost = True

    def heal(self) -> None:
        """New connections pass."""
        with self._lock:
            self._mode = "pass"
            self._delay = 0.0

    def stop(self) -> None:
        self.cut()
        _close(self._listener)

    # -- how ----------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                mode = self._mode
            if mode == "cut":
                _close(near, reset=True)
                continue
            # Not in this thread: the target may be slow to take it.
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        link = _Link(near, None)
        with self._lock:
            link.lost = self._mode == "half-open"
            self._links.append(link)
        if not link.lost:
            try:
                link.far = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                self._drop(link)
                return
            link.far.settimeout(None)
            for end in (link.near, link.far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(link, link.far, near), daemon=True).start()
        self._pump(link, near, link.far)

    def _pump(self, link: _Link, source: socket.socket, sink: socket.socket | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self._delay:
                    time.sleep(self._delay)
                if not link.lost:
                    sink.sendall(data)
        if link.lost:
            # The other end does not hear that this one is gone.
            _close(source)
        else:
            self._drop(link)

    def _drop(self, link: _Link) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._links.remove(link)
        link.close()


def _close(end: socket.socket, *, reset: bool = False) -> None:
    with contextlib.suppress(OSError):
        if reset:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Wakes the thread that reads from it; close alone would not.
        end.shutdown(socket.SHUT_RDWR)
    end.close()

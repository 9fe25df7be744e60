"""Which ports are taken, and by whom."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.errors import AirlineError
from infra.settings import Settings

# As the kernel writes it.
LISTENS = "0A"


@dataclass(frozen=True)
class Taken:
    """A port that a service wants and somebody else has."""

    service: str
    port: int
    variable: str
    holder: str


def taken(settings: Settings, services: Iterable[str]) -> list[Taken]:
    """Those of the services' ports (names in Settings.ports) that somebody listens on."""
    found = []
    for service in services:
        port = settings.port(service)
        if _is_taken(settings.host, port):
            found.append(Taken(service, port, settings.ports[service][1], _holder(port)))
    return found


def refuse_taken(settings: Settings, services: Iterable[str]) -> None:
    """Raises AirlineError that names every taken port, its holder and how to move it."""
    found = taken(settings, services)
    if found:
        holders = [
            f"port {each.port} for {each.service} is taken by {each.holder}" for each in found
        ]
        variables = " ".join(f"{each.variable}=<port>" for each in found)
        raise AirlineError(
            "; ".join(holders),
            f"end that process, or move the port with {variables} "
            "(AIRLINE_PORT_OFFSET=<number> moves all of them)",
        )


def accounts(host: str, port: int) -> set[int]:
    """The accounts that whoever connects there may come to, by number; empty where the system does
    not say.
    """
    wanted = {ipaddress.ip_address(each[4][0]) for each in socket.getaddrinfo(host, port)}
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, _, _, _, account, *_ = line.split()
            address, _, number = local.rpartition(":")
            if state != LISTENS or int(number, 16) != port:
                continue
            listens = _address(address)
            if listens.is_unspecified or listens in wanted:
                found.add(int(account))
    return found


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel writes it: words of four bytes, each as this machine has it."""
    words = (int(text[at : at + 8], 16) for at in range(0, len(text), 8))
    found = ipaddress.ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))
    return getattr(found, "ipv4_mapped", None) or found


def free(host: str, count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with ExitStack() as opened:
        probes = [
            opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            for _ in range(count)
        ]
        for probe in probes:
            probe.bind((host, 0))
        return [probe.getsockname()[1] for probe in probes]


def _is_taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an ended server that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise AirlineError(
                f"cannot listen on {host}:{port} ({error.strerror})",
                "set AIRLINE_HOST to a loopback address of this machine and ports above 1023",
            ) from None
    return False


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        if (
            connection.status == psutil.CONN_LISTEN
            and connection.laddr.port == port
            and connection.pid
        ):
            try:
                process = psutil.Process(connection.pid)
                command = " ".join(process.cmdline())[:100] or process.name()
                return f"process {process.pid} ({command}) of {process.username()}"
            except psutil.Error:
                return f"process {connection.pid}"
    return "a process of another user"

"""`python infra/forward.py PORT…`: what infra/compose.yaml publishes.

Every server of the stack listens on loopback. In containers that is the loopback of the network
they share, which Docker cannot publish: this listens at the network's own address and hands each
connection on. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

CHUNK = 65536


async def hand_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: both ways at once, until both ends have said all they had to say."""
    try:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        # Nobody listens (yet): the client sees its connection closed.
        writer.close()
        return
    await asyncio.gather(_copy(reader, onward_writer), _copy(onward_reader, writer))
    for each in (writer, onward_writer):
        each.close()
        with contextlib.suppress(OSError):
            await each.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def serve(host: str, ports: list[int]) -> None:
    servers = [
        await asyncio.start_server(
            lambda reader, writer, to=port: hand_on(to, reader, writer), host, port
        )
        for port in ports
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(
        serve(socket.gethostbyname(socket.gethostname()), [int(port) for port in sys.argv[1:]])
    )

"""The warehouse's server for benchmarks: a throw-away one, configured as the product's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.warehouse.service import Warehouse
from tests.integration.conftest import PostgresServer, settings_in

# A default server neither holds a long history's indexes in its buffers nor leaves JIT off. And as
# in production, whoever commits often pays for it.
PARAMETERS = Warehouse.parameters | {"fsync": "on"}


@contextmanager
def warehouse_server(folder: Path) -> Iterator[PostgresServer]:
    """A running server with its data in `folder`."""
    server = PostgresServer(settings_in(folder / "server"), PARAMETERS)
    server.start()
    try:
        yield server
    finally:
        server.stop()

"""Replaces the booking system's data by CSV files, one a table, in one transaction."""

from __future__ import annotations

import csv
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import psycopg2
import psycopg2.errorcodes
from psycopg2.extensions import connection as Connection

import catalogue
from infra.errors import AirlineError
from infra.source.database import address, columns, finish_load, transaction, truncate

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class CsvFiles:
    """The files `<table>.csv` of a folder or of a tar archive."""

    def __init__(self, path: Path) -> None:
        """Raises AirlineError unless all are there."""
        self.path = path
        self._archive: tarfile.TarFile | None = None
        names: dict[str, str] = {}
        if path.is_dir():
            names = {file.name: str(file) for file in sorted(path.iterdir()) if file.is_file()}
        elif path.is_file():
            try:
                self._archive = tarfile.open(path)  # noqa: SIM115 - close() closes it
                names = {
                    PurePosixPath(member.name).name: member.name
                    for member in self._archive.getmembers()
                    if member.isfile()
                }
            except (tarfile.TarError, EOFError, OSError) as error:
                self.close()
                raise AirlineError(
                    f"{path} is neither a folder nor a readable tar archive ({error})",
                    "give the folder that holds the CSV files; nothing was changed",
                ) from None
        else:
            raise AirlineError(
                f"there is no {path}",
                "give the folder that holds the CSV files; nothing was changed",
            )
        missing = [f"{table}.csv" for table in catalogue.names() if f"{table}.csv" not in names]
        if missing:
            self.close()
            raise AirlineError(
                f"{path} lacks {', '.join(missing)}",
                f"it must hold one file for each of: {', '.join(catalogue.names())};"
                " nothing was changed",
            )
        self._names = {table: names[f"{table}.csv"] for table in catalogue.names()}

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()

    @contextmanager
    def open(self, table: str) -> Iterator[IO[bytes]]:
        """The bytes of a table's file, without a byte order mark."""
        name = self._names[table]
        with ExitStack() as stack:
            if self._archive is None:
                file: IO[bytes] = stack.enter_context(open(name, "rb"))
            else:
                member = self._archive.extractfile(name)
                assert member is not None  # None only for what is no file
                file = stack.enter_context(member)
            if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
                file.seek(0)
            yield file

    def line_of(self, table: str, key: dict[str, str]) -> int | None:
        """The line of the first row with these values, or None."""
        with self.open(table) as file:
            lines = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
            for row in lines:
                if all(row.get(column) == value for column, value in key.items()):
                    return lines.line_num
        return None


def load_csv(
    dsn: str, directory: str | Path, progress: Callable[[str], object] = print
) -> dict[str, int]:
    """Replaces the content of all tables by that of the CSV files; returns rows per table.

    `directory`, or a tar archive, holds `<table>.csv` for each table, with a header of the table's
    columns in their order. One transaction. Raises AirlineError that names file, line and reason;
    nothing is changed then.
    """
    files = CsvFiles(Path(directory))
    counts: dict[str, int] = {}
    try:
        with transaction(dsn) as connection:
            _keep_out_of_the_log(connection)
            truncate(connection)
            for table in catalogue.names():
                with files.open(table) as file, connection.cursor() as cursor:
                    try:
                        cursor.copy_expert(_copy(table), file)
                    except psycopg2.OperationalError:
                        raise
                    except psycopg2.Error as error:
                        raise _explained(error, files, table) from None
                    counts[table] = cursor.rowcount
                progress(f"{table}.csv: {counts[table]:,} rows")
            finish_load(connection)
    except psycopg2.OperationalError as error:
        raise AirlineError(
            f"the load into {address(dsn)} broke off: {str(error).strip()}",
            "nothing was changed; see './airline status' and load again",
        ) from None
    finally:
        files.close()
    return counts


def _keep_out_of_the_log(connection: Connection) -> None:
    """A value that a column does not take stands in the error itself: it is for whoever loads, and
    not for the server's log. (Where the role may not say so the server decides.)
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('log_min_messages', 'log', true)"
            " WHERE has_parameter_privilege('log_min_messages', 'SET')"
        )


def _copy(table: str) -> str:
    # An empty field is null there, quoted or not; elsewhere null is an error.
    nullable = catalogue.tables()[table].nullable
    force = f", FORCE_NULL ({', '.join(nullable)})" if nullable else ""
    return (
        f"COPY {table} ({', '.join(columns()[table])}) FROM STDIN"
        f" WITH (FORMAT csv, HEADER match, ENCODING 'UTF8'{force})"
    )


def _explained(error: psycopg2.Error, files: CsvFiles, table: str) -> AirlineError:
    """An error of COPY, with the place in the file."""
    diagnostics = error.diag
    reason = diagnostics.message_primary or str(error).strip()
    if diagnostics.message_detail and not diagnostics.message_detail.startswith("Failing row"):
        reason += f" ({diagnostics.message_detail.rstrip('.')})"
    place = f"{table}.csv"
    found = re.match(rf"COPY {table}, line (\d+)(?:, column (\w+))?", diagnostics.context or "")
    if found:
        line, column = found.groups()
        place += f", line {line}" + (f", column {column}" if column else "")
    elif diagnostics.sqlstate == psycopg2.errorcodes.FOREIGN_KEY_VIOLATION:
        # Checked after the last row, so PostgreSQL names the key and no line.
        key = re.search(r"Key \((.*)\)=\((.*)\) is not", diagnostics.message_detail or "")
        if key:
            columns, values = key[1].split(", "), key[2].split(", ")
            line = files.line_of(table, dict(zip(columns, values, strict=False)))
            place += f", line {line}, column {key[1]}" if line else f", column {key[1]}"
    return AirlineError(
        f"{place}: {reason}", f"correct it in {files.path} and load again; nothing was changed"
    )

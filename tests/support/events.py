"""Change events as Debezium writes them, landed straight into `staging`, without a connector.

For tests of the load alone: they can say what no real source can be made to do at will (a clock
that steps back, a transaction that has landed by half). The end-to-end tests take real events.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import psycopg2

import catalogue
from ingest.book import Book

KEYS = {name: list(table.key) for name, table in catalogue.tables().items()}


# What stands for a long value that an update did not change, where PostgreSQL does not log it.
UNAVAILABLE = "__debezium_unavailable_value"
# A key or value that is JSON's null, where None is none at all.
JSON_NULL = object()


class Source:
    """A source whose commits land as events. `land` writes what was committed since."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        # With one, persons land as tokens; the models do not tell the difference.
        self.book: Book | None = None
        # (table, partition) -> offset
        self.next_offset: dict[tuple[str, int], int] = defaultdict(int)
        # Kafka puts what has no key into any partition: all TRUNCATEs come in this one.
        self.truncates_in = 0
        self.next_transaction = 700
        self.clock = datetime(2026, 3, 1, tzinfo=UTC)
        self.snapshots = 0
        self.lsn = 20_000_000
        self.pending: list[tuple[str, dict | None, dict | None]] = []
        self.landed: list[tuple[str, dict | None, dict | None]] = []
        # What a reader of the source would see now: table -> key -> row.
        self.rows: dict[str, dict[tuple, dict[str, Any]]] = {table: {} for table in KEYS}

    def snapshot(self, table: str, *rows: dict[str, Any]) -> None:
        """Rows as the connector reads them when it starts: `op` r, no transaction.

        Each call is a snapshot of its own, that is, another moment.
        """
        self.snapshots += 1
        for row in rows:
            self.lsn += 56
            self._event(table, "r", row, None)

    def commit(
        self,
        *changes: tuple[str, str, Any],
        at: datetime | None = None,
        announce: bool = True,
    ) -> None:
        """One transaction of (op, table, row) changes; op is c, u, d or t.

        A change of key is d and then c, of one record of the log: op k, and (old row, new row).
        `at` is the commit time (default: a second after the one before). `announce` false leaves
        out the BEGIN and END that Debezium sends beside it.
        """
        if at is None:
            self.clock = datetime.fromtimestamp(self.clock.timestamp() + 1, UTC)
            at = self.clock
        number = str(self.next_transaction)
        self.next_transaction += 1
        counts: dict[str, int] = defaultdict(int)
        if announce:
            begin = {"status": "BEGIN", "id": f"{number}:{self.lsn + 56}"}
            self.pending.append(("transaction", {"id": number}, begin))
        order = 0
        for op, table, row in changes:
            record, kept = [(op, row)], None
            if op == "k":
                record = [("d", row[0]), ("c", row[1])]
                kept = self.rows[table][_key(table, row[0])]
            self.lsn += 56
            for each, image in record:
                counts[table] += 1
                order += 1
                place = {
                    "id": f"{number}:{order}",
                    "total_order": order,
                    "data_collection_order": counts[table],
                }
                self._event(table, each, image, place, at, kept)
        if announce:
            collections = [
                {"data_collection": f"public.{table}", "event_count": count}
                for table, count in counts.items()
            ]
            self.lsn += 56
            end = {
                "status": "END",
                "id": f"{number}:{self.lsn}",
                "data_collections": collections,
            }
            self.pending.append(("transaction", {"id": number}, end))

    def missed_delete(self, table: str, row: dict[str, Any], at: datetime) -> None:
        """The delete and tombstone that `./airline resync` writes: of no transaction at all."""
        self._apply(table, "d", row, None)
        key = {column: row[column] for column in KEYS[table]}
        delete = {
            "before": key,
            "after": None,
            "source": {
                "connector": "airline-resync",
                "name": "airline",
                "schema": "public",
                "table": table,
                "txId": None,
                "ts_us": round(at.timestamp() * 1_000_000),
                "lsn": None,
            },
            "transaction": None,
            "op": "d",
        }
        self.pending += [(table, key, delete), (table, key, None)]

    def _event(
        self,
        table: str,
        op: str,
        row: dict[str, Any] | None,
        transaction: dict | None,
        at: datetime | None = None,
        kept: dict[str, Any] | None = None,
    ) -> None:
        moment = at or self.clock
        self._apply(table, op, row, kept)
        key = {column: row[column] for column in KEYS[table]} if row else None
        value = {
            "before": key if op == "d" else None,
            "after": row if op in "cru" else None,
            "source": {
                "connector": "postgresql",
                "name": "airline",
                "schema": "public",
                "table": table,
                "txId": int(transaction["id"].split(":")[0]) if transaction else self.snapshots,
                "ts_us": round(moment.timestamp() * 1_000_000),
                "lsn": self.lsn,
            },
            "transaction": transaction,
            "op": op,
        }
        self.pending.append((table, key, value))
        if op == "d":
            self.pending.append((table, key, None))

    def _apply(
        self, table: str, op: str, row: dict[str, Any] | None, kept: dict[str, Any] | None
    ) -> None:
        if row is None:
            self.rows[table].clear()
            return
        key = _key(table, row)
        if op == "d":
            del self.rows[table][key]
        else:
            before = self.rows[table].get(key, kept)
            self.rows[table][key] = {
                column: before[column] if value == UNAVAILABLE else value
                for column, value in row.items()
            }

    def repeat(self, events: int) -> None:
        """The connector streams the last `events` events again, as when it lost its place."""
        streamed = [
            event
            for event in self.landed + self.pending
            if event[2] is None or event[2].get("op") != "r"
        ]
        self.pending += streamed[-events:]

    def land(self, upto: int | None = None) -> None:
        """Lands the pending events, or only the first `upto` of them."""
        taken, self.pending = self.pending[:upto], self.pending[upto:] if upto else []
        self.landed += taken
        with psycopg2.connect(self.dsn) as connection, connection.cursor() as cursor:
            moved = set()
            for table, key, value in taken:
                partition = 0 if key is not None else self.truncates_in
                landing = self._landing(cursor, table, key, value)
                cursor.execute(
                    f"insert into staging.{table}"
                    " (kafka_partition, kafka_offset, kafka_timestamp, key, value)"
                    " values (%s, %s, now(), %s, %s)",
                    (
                        partition,
                        self.next_offset[table, partition],
                        _json(key),
                        landing,
                    ),
                )
                self.next_offset[table, partition] += 1
                moved.add((table, partition))
            for table, partition in moved:
                topic = "airline." + (table if table == "transaction" else f"public.{table}")
                cursor.execute(
                    "insert into staging.ingest_offset (topic, kafka_partition,"
                    " next_offset, updated_at) values (%s, %s, %s, now())"
                    " on conflict (topic, kafka_partition)"
                    " do update set next_offset = excluded.next_offset, updated_at = now()",
                    (topic, partition, self.next_offset[table, partition]),
                )
        connection.close()

    def _landing(self, cursor, table: str, key: Any, value: Any) -> str | None:
        """The value as it is landed."""
        marked = catalogue.tables().get(table)
        if self.book is None or value is None or marked is None or not marked.personal:
            return _json(value)
        record = SimpleNamespace(
            topic=f"airline.public.{table}",
            partition=0,
            offset=0,
            timestamp=0,
            key=None if key is None else _json(key).encode(),
            value=_json(value).encode(),
        )
        [landing], unfit = self.book.tokened(cursor, marked, [record])
        assert unfit == []
        return landing.value.decode()


def _json(part: Any) -> str | None:
    return None if part is None else "null" if part is JSON_NULL else json.dumps(part)


def _key(table: str, row: dict[str, Any]) -> tuple:
    return tuple(row[column] for column in KEYS[table])


def airport(code: str = "AAA", **changes: Any) -> dict[str, Any]:
    """A row of `airports` as it stands in an event."""
    return {
        "airport_code": code,
        "airport_name": f"{code} Airport",
        "city": "Somewhere",
        "coordinates_lon": "10.5",
        "coordinates_lat": "-20.25",
        "timezone": "UTC",
    } | changes


def aircraft(code: str = "320", **changes: Any) -> dict[str, Any]:
    """A row of `aircrafts` as it stands in an event: jsonb is text."""
    return {"aircraft_code": code, "model": '{"en": "Plane"}', "range": 5000} | changes


def flight(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of `flights` as it stands in an event: times are ISO text in UTC."""
    return {
        "flight_id": number,
        "flight_no": "SU0001",
        "scheduled_departure": "2026-03-02T10:00:00.000000Z",
        "scheduled_arrival": "2026-03-02T12:00:00.000000Z",
        "departure_airport": "AAA",
        "arrival_airport": "BBB",
        "status": "Scheduled",
        "aircraft_code": "320",
        "actual_departure": None,
        "actual_arrival": None,
    } | changes


def booking(reference: str = "AAAAAA", **changes: Any) -> dict[str, Any]:
    """A row of `bookings` as it stands in an event: numeric is text."""
    return {
        "book_ref": reference,
        "book_date": "2026-02-20T08:00:00.000000Z",
        "total_amount": "100.00",
    } | changes


def ticket(number: str = "0000000000001", **changes: Any) -> dict[str, Any]:
    """A row of `tickets` as it stands in an event."""
    return {
        "ticket_no": number,
        "book_ref": "AAAAAA",
        "passenger_id": "P1",
        "passenger_name": "Ivan Petrov",
        "contact_data": None,
    } | changes


def segment(number: str = "0000000000001", flight_id: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of `ticket_flights` as it stands in an event."""
    return {
        "ticket_no": number,
        "flight_id": flight_id,
        "fare_conditions": "Economy",
        "amount": "100.00",
    } | changes

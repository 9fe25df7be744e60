"""What the warehouse and Kafka hold of a person.

Places are not listed here: each table of the warehouse is asked that has one of the person's keys
as a column, or that keeps whole events. So a new mart, or a table somebody made, is asked as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg2 import sql

import catalogue
from infra.kafka.broker import Log

# What says of a row since when it is held, the first that a table has.
SINCE = ("landed_at", "load_date", "dbt_valid_from", "updated_at")
# Tables that keep events, not rows: no column of theirs is a key of a person.
DEAD_LETTER = "dead_letter"

PERSON = "select passenger_hash_key from dwh_detailed.hub_passengers where passenger_id = %s"
# Each ticket that was ever the person's, also where another's stands on it now.
TICKETS = """
select
    hub.ticket_no,
    booking.book_ref,
    min(details.load_date),
    (array_agg(details.ticket_booking_hash_key = link.ticket_booking_hash_key
        order by details.load_date desc))[1]
    and not coalesce((
        select status.is_deleted from dwh_detailed.sat_ticket_status as status
        where status.ticket_hash_key = hub.ticket_hash_key
        order by status.load_date desc limit 1
    ), false),
    hub.ticket_hash_key,
    link.ticket_booking_hash_key
from dwh_detailed.link_ticket_booking as link
inner join dwh_detailed.hub_tickets as hub on hub.ticket_hash_key = link.ticket_hash_key
inner join dwh_detailed.hub_bookings as booking on booking.booking_hash_key = link.booking_hash_key
inner join dwh_detailed.sat_ticket_details as details
    on details.ticket_hash_key = hub.ticket_hash_key
where link.passenger_hash_key = any(%s)
group by hub.ticket_no, booking.book_ref, hub.ticket_hash_key, link.ticket_booking_hash_key
order by 3, 1, 2
"""
# The versions of a ticket that were loaded while the person was on it.
DETAILS = """
with spans as (
    select
        ticket_hash_key,
        ticket_booking_hash_key,
        load_date as since,
        lead(load_date, 1, 'infinity') over (
            partition by ticket_hash_key order by load_date
        ) as until
    from dwh_detailed.sat_ticket_details
    where ticket_hash_key = any(%s)
)

select ticket.ticket_no, person.passenger_name, person.contact_data, person.load_date
from spans
inner join dwh_detailed.sat_passenger_details as person
    on person.ticket_hash_key = spans.ticket_hash_key
    and person.load_date < spans.until
    -- the version that stood when the person came, and those after it
    and person.load_date >= coalesce((
        select max(before.load_date) from dwh_detailed.sat_passenger_details as before
        where before.ticket_hash_key = spans.ticket_hash_key and before.load_date <= spans.since
    ), spans.since)
inner join dwh_detailed.hub_tickets as ticket on ticket.ticket_hash_key = spans.ticket_hash_key
where spans.ticket_booking_hash_key = any(%s)
order by person.load_date, ticket.ticket_no
"""
SEGMENTS = """
select link.ticket_flight_hash_key, hub.ticket_no, flight.flight_id, details.fare_conditions,
    details.amount, details.load_date
from dwh_detailed.link_ticket_flight as link
inner join dwh_detailed.hub_tickets as hub on hub.ticket_hash_key = link.ticket_hash_key
inner join dwh_detailed.hub_flights as flight on flight.flight_hash_key = link.flight_hash_key
inner join dwh_detailed.sat_ticket_flight_details as details
    on details.ticket_flight_hash_key = link.ticket_flight_hash_key
where link.ticket_hash_key = any(%s)
order by details.load_date, hub.ticket_no, flight.flight_id
"""
TABLES = """
select space.nspname, relation.relname, array_agg(attribute.attname::text)
from pg_class as relation
inner join pg_namespace as space on space.oid = relation.relnamespace
inner join pg_attribute as attribute
    on attribute.attrelid = relation.oid and attribute.attnum > 0 and not attribute.attisdropped
where relation.relkind in ('r', 'm')
    and space.nspname not in ('pg_catalog', 'information_schema')
    and space.nspname !~ '^pg_'
    and has_schema_privilege(space.oid, 'usage')
    and has_table_privilege(relation.oid, 'select')
group by space.nspname, relation.relname
order by space.nspname, relation.relname
"""


@dataclass(frozen=True)
class Place:
    """Rows of one table, or events of one topic. `since` is None where no column tells it."""

    place: str
    rows: int
    since: datetime | None
    until: datetime | None


@dataclass
class Held:
    """Of one person. `details` and `flights` have each version that was loaded."""

    details: list[dict[str, Any]] = field(default_factory=list)
    tickets: list[dict[str, Any]] = field(default_factory=list)
    flights: list[dict[str, Any]] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    # What could not be looked at, in sentences.
    not_seen: list[str] = field(default_factory=list)


def held(cursor: Any, document: str, logs: Iterable[Log] | None) -> Held:
    """What is held of the person with this document number. `logs`: Kafka's partitions, None where
    it does not answer. The role must be allowed to read raw, vault and marts.
    """
    found = Held()
    # The columns of dbt's snapshots have no zone, and are in UTC.
    cursor.execute("set local timezone to 'UTC'")
    keys: dict[str, list[Any]] = {"passenger_id": [document]}
    if _is_there(cursor, "dwh_detailed.hub_passengers"):
        keys |= _from_vault(cursor, document, found)
    else:
        found.not_seen.append("the vault is not built: './airline dbt build' makes it")
    cursor.execute(TABLES)
    events: dict[str, list[tuple[int, int]]] = {}
    landed = set(catalogue.landed())
    for schema, table, columns in cursor.fetchall():
        relation, since = sql.Identifier(schema, table), _since(columns)
        if schema == "staging" and table in landed:
            place = _raw(cursor, table, document, keys, events)
        elif (schema, table) == ("staging", DEAD_LETTER):
            place = _where(cursor, relation, since, *_in_bytes(document, keys))
        else:
            place = _keyed(cursor, relation, since, columns, keys)
        count, first, last = place
        if count:
            found.places.append(Place(f"warehouse: {schema}.{table}", count, first, last))
    _in_kafka(found, events, logs)
    return found


def _from_vault(cursor: Any, document: str, found: Held) -> dict[str, list[Any]]:
    """Fills in details, tickets and flights. Returns column -> the person's keys in it."""
    cursor.execute(PERSON, (document,))
    persons = [key for (key,) in cursor.fetchall()]
    cursor.execute(TICKETS, (persons,))
    tickets, bookings = [], []
    for ticket_no, book_ref, since, is_theirs, ticket, booking in cursor.fetchall():
        found.tickets.append(
            {"ticket_no": ticket_no, "book_ref": book_ref, "since": since, "is_now": is_theirs}
        )
        tickets.append(ticket)
        bookings.append(booking)
    cursor.execute(DETAILS, (tickets, bookings))
    for ticket_no, name, contact, since in cursor.fetchall():
        found.details.append(
            {"ticket_no": ticket_no, "name": name, "contact": contact, "since": since}
        )
    cursor.execute(SEGMENTS, (tickets,))
    segments = []
    for segment, ticket_no, flight_id, fare, amount, since in cursor.fetchall():
        found.flights.append(
            {
                "ticket_no": ticket_no,
                "flight_id": flight_id,
                "fare_conditions": fare,
                "amount": None if amount is None else str(amount),
                "since": since,
            }
        )
        segments.append(segment)
    return {
        "passenger_hash_key": persons,
        "ticket_no": [each["ticket_no"] for each in found.tickets],
        "ticket_hash_key": tickets,
        "ticket_booking_hash_key": bookings,
        "ticket_flight_hash_key": segments,
    }


def _keyed(
    cursor: Any, relation: sql.Composable, since: str | None, columns: list[str], keys: dict
) -> tuple[int, Any, Any]:
    """Rows with one of the person's keys in a column of its name."""
    asked = [name for name in keys if name in columns and keys[name]]
    if not asked:
        return 0, None, None
    condition = sql.SQL(" or ").join(
        sql.SQL("{} = any(%s)").format(sql.Identifier(name)) for name in asked
    )
    return _where(cursor, relation, since, condition, [keys[name] for name in asked])


def _in_bytes(document: str, keys: dict) -> tuple[sql.Composable, list[Any]]:
    """Events that are no JSON: the document, or a ticket's number, anywhere in them."""
    needles = [document.encode(), *(each.encode() for each in keys.get("ticket_no", []))]
    condition = sql.SQL(
        "exists (select from unnest(%s::bytea[]) as needle where position(needle in key) > 0"
        " or position(needle in value) > 0)"
    )
    return condition, [needles]


def _where(
    cursor: Any, relation: Any, since: str | None, condition: Any, values: list[Any]
) -> tuple[int, Any, Any]:
    moment = sql.Identifier(since) if since else sql.SQL("null")
    cursor.execute(
        sql.SQL(
            "select count(*), min({0}::timestamptz), max({0}::timestamptz) from {1} where {2}"
        ).format(moment, relation, condition),
        values,
    )
    return cursor.fetchone()


def _raw(cursor: Any, table: str, document: str, keys: dict, events: dict) -> tuple[int, Any, Any]:
    """Events that name the document anywhere, or that are of one of the person's rows. Raw has no
    index on either: it is read as a whole.
    """
    known = catalogue.tables().get(table)
    asked = [name for name in (known.key if known else ()) if keys.get(name)]
    conditions = [
        sql.SQL("jsonb_path_exists(value, '$.** ? (@ == $id)', jsonb_build_object('id', %s::text))")
    ]
    values: list[Any] = [document]
    for name in asked:
        conditions.append(sql.SQL("key ->> {} = any(%s)").format(sql.Literal(name)))
        values.append(keys[name])
    cursor.execute(
        sql.SQL("select kafka_partition, kafka_offset, landed_at from {} where {}").format(
            sql.Identifier("staging", table), sql.SQL(" or ").join(conditions)
        ),
        values,
    )
    rows = cursor.fetchall()
    events[table] = [(partition, offset) for partition, offset, _ in rows]
    moments = [moment for *_, moment in rows]
    return len(rows), min(moments, default=None), max(moments, default=None)


def _in_kafka(
    found: Held, events: dict[str, list[tuple[int, int]]], logs: Iterable[Log] | None
) -> None:
    """The same events are in Kafka as long as its log goes back to them."""
    if logs is None:
        found.not_seen.append("Kafka does not answer, and has what landed as well")
        return
    first = {(log.topic, log.partition): log.first for log in logs}
    for table, offsets in events.items():
        topic = catalogue.topic(table)
        there = sum(
            offset >= first[topic, partition]
            for partition, offset in offsets
            if (topic, partition) in first
        )
        if there:
            found.places.append(Place(f"Kafka: {topic}", there, None, None))


def _since(columns: list[str]) -> str | None:
    return next((name for name in SINCE if name in columns), None)


def _is_there(cursor: Any, table: str) -> bool:
    cursor.execute("select to_regclass(%s) is not null", (table,))
    return bool(cursor.fetchone()[0])

"""What the warehouse and Kafka hold of a person.

The person's tokens are in the book, and everything else has these. Places are not listed here:
each table of the warehouse is asked that has a marked column of the source, or a key that is one
person's. So a new mart, or a table somebody made, is asked as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg2 import sql

import catalogue
from infra.kafka.broker import Log
from infra.subject import letters
from infra.subject.spelling import Spelled
from ingest.book import Book

# What says of a row since when it is held, the first that a table has.
SINCE = ("landed_at", "load_date", "dbt_valid_from", "updated_at")

# Keys that are one person's. A ticket is not: it may be given to another.
PERSON = "select passenger_hash_key from dwh_detailed.hub_passengers where passenger_id = %s"
# When the person was on a ticket, for whatever is known of the ticket by its hash key.
SPANS = """
with spans as (
    select ticket_hash_key, ticket_booking_hash_key, since, until
    from (
        select
            ticket_hash_key,
            ticket_booking_hash_key,
            load_date as since,
            lead(load_date, 1, 'infinity') over (
                partition by ticket_hash_key order by load_date
            ) as until
        from dwh_detailed.sat_ticket_details
        where ticket_hash_key in (
            select ticket_hash_key from dwh_detailed.link_ticket_booking
            where passenger_hash_key = any(%(persons)s)
        )
    ) as each_version
    where ticket_booking_hash_key in (
        select ticket_booking_hash_key from dwh_detailed.link_ticket_booking
        where passenger_hash_key = any(%(persons)s)
    )
)
"""
TICKETS = (
    SPANS
    + """
select
    ticket.ticket_no,
    booking.book_ref,
    min(spans.since),
    bool_or(spans.until = 'infinity')
    and not coalesce((
        select status.is_deleted from dwh_detailed.sat_ticket_status as status
        where status.ticket_hash_key = link.ticket_hash_key
        order by status.load_date desc limit 1
    ), false),
    link.ticket_booking_hash_key
from spans
inner join dwh_detailed.link_ticket_booking as link
    on link.ticket_booking_hash_key = spans.ticket_booking_hash_key
inner join dwh_detailed.hub_tickets as ticket on ticket.ticket_hash_key = link.ticket_hash_key
inner join dwh_detailed.hub_bookings as booking on booking.booking_hash_key = link.booking_hash_key
group by ticket.ticket_no, booking.book_ref, link.ticket_hash_key, link.ticket_booking_hash_key
order by 3, 1, 2
"""
)
# Of each span the version that stood when the person came, and those after it.
DETAILS = (
    SPANS
    + """
select ticket.ticket_no, person.passenger_name, person.contact_data #>> '{}', person.load_date
from spans
inner join dwh_detailed.sat_passenger_details as person
    on person.ticket_hash_key = spans.ticket_hash_key
    and person.load_date >= spans.since and person.load_date < spans.until
inner join dwh_detailed.hub_tickets as ticket on ticket.ticket_hash_key = spans.ticket_hash_key
order by person.load_date, ticket.ticket_no
"""
)
FLIGHTS = (
    SPANS
    + """
select ticket.ticket_no, flight.flight_id, details.fare_conditions, details.amount,
    greatest(details.load_date, min(spans.since))
from spans
inner join dwh_detailed.link_ticket_flight as link
    on link.ticket_hash_key = spans.ticket_hash_key
inner join dwh_detailed.hub_tickets as ticket on ticket.ticket_hash_key = link.ticket_hash_key
inner join dwh_detailed.hub_flights as flight on flight.flight_hash_key = link.flight_hash_key
inner join (
    select
        ticket_flight_hash_key, fare_conditions, amount, load_date,
        lead(load_date, 1, 'infinity') over (
            partition by ticket_flight_hash_key order by load_date
        ) as until
    from dwh_detailed.sat_ticket_flight_details
    where ticket_flight_hash_key in (
        select ticket_flight_hash_key from dwh_detailed.link_ticket_flight
        where ticket_hash_key in (select ticket_hash_key from spans)
    )
) as details
    on details.ticket_flight_hash_key = link.ticket_flight_hash_key
    and details.load_date < spans.until and details.until > spans.since
group by ticket.ticket_no, flight.flight_id, details.fare_conditions, details.amount,
    details.load_date
order by 5, ticket.ticket_no, flight.flight_id
"""
)
TABLES = """
select space.nspname, relation.relname,
    jsonb_object_agg(attribute.attname, format_type(attribute.atttypid, null))
from pg_class as relation
inner join pg_namespace as space on space.oid = relation.relnamespace
inner join pg_attribute as attribute
    on attribute.attrelid = relation.oid and attribute.attnum > 0 and not attribute.attisdropped
where relation.relkind in ('r', 'm')
    and space.nspname not in ('pg_catalog', 'information_schema', 'staging', 'staging_pii')
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
    # When the person was forgotten last: what is left of the rows says nothing of whom.
    forgotten_at: datetime | None = None
    # What could not be looked at, in sentences.
    not_seen: list[str] = field(default_factory=list)


def held(
    landing: Any, cursor: Any, book: Book, kind: str, document: str, logs: Iterable[Log] | None
) -> Held:
    """What is held of the person with this document, a value of the column `kind`.

    `landing` asks as the ingester's role, which has the book and the dead letters; `cursor` as one
    that may read raw, vault and marts. `logs`: Kafka's partitions, None where it does not answer.
    """
    found = Held()
    # The columns of dbt's snapshots have no zone, and are in UTC.
    cursor.execute("set local timezone to 'UTC'")
    landing.execute("set local timezone to 'UTC'")
    lookup = book.lookup(kind, document)
    landing.execute(
        "select person from staging_pii.identity where lookup = decode(%s, 'hex')", (lookup,)
    )
    person = landing.fetchone()
    if person is None:
        landing.execute(
            "select max(act.begun_at) from staging_pii.forgotten left join staging_pii.act"
            " using (person) where lookup = decode(%s, 'hex')",
            (lookup,),
        )
        [found.forgotten_at] = landing.fetchone()
    else:
        landing.execute(
            "select token, value from staging_pii.identity where person = %s", (person[0],)
        )
        values = dict(landing.fetchall())
        found.places.append(Place("warehouse: staging_pii.identity", len(values), None, None))
        keys: dict[str, list[Any]] = {}
        if _is_there(cursor, "dwh_detailed.hub_passengers"):
            keys = _from_vault(cursor, person[0], values, found)
        else:
            found.not_seen.append("the vault is not built: './airline dbt build' makes it")
        events = _in_raw(cursor, list(values), found)
        _in_tables(cursor, list(values), keys, found)
        _in_kafka(found, events, logs)
    _in_letters(landing, [document], found)
    if logs is None:
        found.not_seen.append("Kafka does not answer, and has what landed as well")
    return found


def _from_vault(
    cursor: Any, person: str, values: dict[str, str], found: Held
) -> dict[str, list[Any]]:
    """Fills in details, tickets and flights. Returns column -> the person's keys in it."""
    cursor.execute(PERSON, (person,))
    persons = [key for (key,) in cursor.fetchall()]
    asked = {"persons": persons}
    cursor.execute(TICKETS, asked)
    bookings = []
    for ticket_no, book_ref, since, is_theirs, booking in cursor.fetchall():
        found.tickets.append(
            {"ticket_no": ticket_no, "book_ref": book_ref, "since": since, "is_now": is_theirs}
        )
        bookings.append(booking)
    cursor.execute(DETAILS, asked)
    for ticket_no, name, contact, since in cursor.fetchall():
        if told := values.get(contact):
            told = json.loads(told)
        found.details.append(
            {"ticket_no": ticket_no, "name": values.get(name), "contact": told, "since": since}
        )
    cursor.execute(FLIGHTS, asked)
    for ticket_no, flight_id, fare, amount, since in cursor.fetchall():
        found.flights.append(
            {
                "ticket_no": ticket_no,
                "flight_id": flight_id,
                "fare_conditions": fare,
                "amount": None if amount is None else str(amount),
                "since": since,
            }
        )
    return {"passenger_hash_key": persons, "ticket_booking_hash_key": bookings}


def _in_tables(cursor: Any, tokens: list[str], keys: dict[str, list[Any]], found: Held) -> None:
    """Each table with a column of a marked name, or of one of the `keys`."""
    marked = {name for table in catalogue.tables().values() for name in table.personal}
    cursor.execute(TABLES)
    for schema, table, columns in cursor.fetchall():
        conditions, asked = [], []
        for name, kind in columns.items():
            column = sql.Identifier(name)
            if name in marked and kind in ("text", "character varying"):
                conditions.append(sql.SQL("{} = any(%s)").format(column))
                asked.append(tokens)
            elif name in marked and kind == "jsonb":
                conditions.append(sql.SQL("{} #>> '{{}}' = any(%s)").format(column))
                asked.append(tokens)
            elif keys.get(name) and kind == "bytea":
                conditions.append(sql.SQL("{} = any(%s)").format(column))
                asked.append(keys[name])
        if not conditions:
            continue
        since = next((name for name in SINCE if name in columns), None)
        cursor.execute(
            sql.SQL(
                "select count(*), min({0}::timestamptz), max({0}::timestamptz) from {1} where {2}"
            ).format(
                sql.Identifier(since) if since else sql.SQL("null"),
                sql.Identifier(schema, table),
                sql.SQL(" or ").join(conditions),
            ),
            asked,
        )
        count, first, last = cursor.fetchone()
        if count:
            found.places.append(Place(f"warehouse: {schema}.{table}", count, first, last))


def _in_raw(cursor: Any, tokens: list[str], found: Held) -> dict[str, list[tuple[int, int]]]:
    """Table -> (partition, offset) of its events with a token of the person. Of raw the tables with
    persons are read, each as a whole: it has no index on what events say.
    """
    events: dict[str, list[tuple[int, int]]] = {}
    for table in catalogue.tables().values():
        if not table.personal or not _is_there(cursor, f"staging.{table.name}"):
            continue
        members = [
            sql.SQL("trim('\"' from value -> {} ->> {}) = any(%s)").format(
                sql.Literal(image), sql.Literal(column)
            )
            for image in ("before", "after")
            for column in table.personal
        ]
        cursor.execute(
            sql.SQL("select kafka_partition, kafka_offset, landed_at from {} where {}").format(
                sql.Identifier("staging", table.name), sql.SQL(" or ").join(members)
            ),
            [tokens] * len(members),
        )
        rows = cursor.fetchall()
        events[table.name] = [(partition, offset) for partition, offset, _ in rows]
        if rows:
            moments = [moment for *_, moment in rows]
            place = f"warehouse: staging.{table.name}"
            found.places.append(Place(place, len(rows), min(moments), max(moments)))
    return events


def _in_letters(landing: Any, texts: Iterable[str], found: Held) -> None:
    """Dead letters that name the document: they are bytes of any shape."""
    spelled = Spelled(texts)
    count = sum(
        any(spelled.search(each) for each in contents if each is not None)
        for _, *contents in letters.letters(landing)
    )
    if count:
        found.places.append(Place(f"warehouse: {letters.PLACE}", count, None, None))


def _in_kafka(
    found: Held, events: dict[str, list[tuple[int, int]]], logs: Iterable[Log] | None
) -> None:
    """The same events are in Kafka, in the clear, as long as its log goes back to them."""
    first = {(log.topic, log.partition): log.first for log in logs or ()}
    for table, offsets in events.items():
        topic = catalogue.topic(table)
        there = sum(
            offset >= first[topic, partition]
            for partition, offset in offsets
            if (topic, partition) in first
        )
        if there:
            found.places.append(Place(f"Kafka: {topic}", there, None, None))


def _is_there(cursor: Any, table: str) -> bool:
    cursor.execute("select to_regclass(%s) is not null", (table,))
    return bool(cursor.fetchone()[0])

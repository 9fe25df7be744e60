"""Migration 4: raw and vault of a stack that has persons in the clear get tokens, once.

All in the transaction of the migration: until it is committed everybody reads what there was, and
where it fails that stays. A table is written anew, so that no former row is left in its file.
What a rebuild from raw would give is what the vault has after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from psycopg2 import sql

import catalogue
from infra.errors import AirlineError
from ingest import schema
from ingest.book import Book

# The table with persons that this version's predecessors knew. Another one that is marked meanwhile
# is no concern of a stack that has it in the clear: `up` of that version refuses it.
TABLE = "tickets"
CHUNK = 20_000
# The tables of the vault that have what identifies a person, or hashes of it.
VAULT = (
    "hub_passengers",
    "link_ticket_booking",
    "sat_ticket_details",
    "sat_passenger_details",
)
Say = Callable[[str], None]

# The hashes of the vault, as dbt_project.yml has them; a stack with others is refused below.
HASH = "decode(md5({}), 'hex')"
SEPARATOR, NULL = "\x1f", "\x1e"
# As the macro business_key has it.
BUSINESS_KEY = """case
    when {0} <> '' and {0} = btrim({0}, ' ') and {0} = translate({0}, E'\\x1d\\x1e\\x1f', '')
        then {0}
    when {0} is not null then E'\\x1d' || encode(convert_to({0}, 'UTF8'), 'hex')
end"""

# Each version of a ticket's names, with the document that was on it then. A ticket that went to
# somebody of the same name has one version more: a name is somebody's.
VERSIONS = """
create temporary table named on commit drop as
select
    version.ticket_hash_key, version.load_date, version.record_source, version.source_system_id,
    holder.document, version.passenger_name as name, version.contact_data as contact
from dwh_detailed.sat_passenger_details as version
left join lateral (
    select passenger.passenger_id as document
    from dwh_detailed.sat_ticket_details as details
    inner join dwh_detailed.link_ticket_booking as link
        on link.ticket_booking_hash_key = details.ticket_booking_hash_key
    inner join dwh_detailed.hub_passengers as passenger
        on passenger.passenger_hash_key = link.passenger_hash_key
    where details.ticket_hash_key = version.ticket_hash_key
        and details.load_date <= version.load_date
    order by details.load_date desc
    limit 1
) as holder on true
union all
select
    details.ticket_hash_key, details.load_date, details.record_source, details.source_system_id,
    details.document, standing.passenger_name, standing.contact_data
from (
    select
        version.ticket_hash_key, version.load_date, version.record_source,
        version.source_system_id, passenger.passenger_id as document,
        passenger.passenger_hash_key as passenger,
        lag(passenger.passenger_hash_key) over (
            partition by version.ticket_hash_key order by version.load_date
        ) as passenger_before
    from dwh_detailed.sat_ticket_details as version
    inner join dwh_detailed.link_ticket_booking as link
        on link.ticket_booking_hash_key = version.ticket_booking_hash_key
    inner join dwh_detailed.hub_passengers as passenger
        on passenger.passenger_hash_key = link.passenger_hash_key
) as details
cross join lateral (
    select version.passenger_name, version.contact_data, version.load_date
    from dwh_detailed.sat_passenger_details as version
    where version.ticket_hash_key = details.ticket_hash_key
        and version.load_date <= details.load_date
    order by version.load_date desc
    limit 1
) as standing
where details.passenger_before <> details.passenger
    and standing.load_date < details.load_date
    and (coalesce(standing.passenger_name, '') <> '' or standing.contact_data is not null)
"""
# Of each kind of hash the rows that are not made as this file would make them.
OTHER_HASHES = {
    "hub_passengers": """
select count(*) from dwh_detailed.hub_passengers
where passenger_id is not null and passenger_hash_key <> {passenger}
""",
    "sat_ticket_details": """
select count(*) from dwh_detailed.sat_ticket_details as version
inner join dwh_detailed.link_ticket_booking as link
    on link.ticket_booking_hash_key = version.ticket_booking_hash_key
inner join dwh_detailed.hub_bookings as booking on booking.booking_hash_key = link.booking_hash_key
inner join dwh_detailed.hub_passengers as passenger
    on passenger.passenger_hash_key = link.passenger_hash_key
where version.hash_diff <> {details}
""",
    "link_ticket_booking": """
select count(*) from dwh_detailed.link_ticket_booking as link
inner join dwh_detailed.hub_tickets as ticket on ticket.ticket_hash_key = link.ticket_hash_key
inner join dwh_detailed.hub_bookings as booking on booking.booking_hash_key = link.booking_hash_key
inner join dwh_detailed.hub_passengers as passenger
    on passenger.passenger_hash_key = link.passenger_hash_key
where link.ticket_booking_hash_key <> {ticket_booking}
""",
}
# Old keys and new ones of the combinations.
COMBINATIONS = """
create temporary table combined on commit drop as
select
    link.ticket_booking_hash_key as old_key,
    {ticket_booking} as new_key,
    case when passenger.passenger_id is null then link.passenger_hash_key
        else {new_passenger} end as new_passenger,
    {details} as new_details
from dwh_detailed.link_ticket_booking as link
inner join dwh_detailed.hub_tickets as ticket on ticket.ticket_hash_key = link.ticket_hash_key
inner join dwh_detailed.hub_bookings as booking on booking.booking_hash_key = link.booking_hash_key
inner join (
    select
        passenger_hash_key as old_key,
        coalesce(token.new_document, passenger.passenger_id) as passenger_id
    from dwh_detailed.hub_passengers as passenger
    left join token on token.key = {document}
) as passenger on passenger.old_key = link.passenger_hash_key
"""


def apply(cursor: Any, key: str, say: Say) -> None:
    """`cursor`: a superuser's. `key`: of the book. Raises AirlineError, and psycopg2.Error."""
    if _there(cursor, "staging.tickets"):
        # Its owner's, as where the ingester makes it.
        cursor.execute("set local role airline_ingest")
        schema.create_book(cursor)
        cursor.execute("reset role")
        book = Book(key)
        book.check(cursor)
        _raw(cursor, book, say)
        if all(_there(cursor, f"dwh_detailed.{table}") for table in VAULT):
            _vault(cursor, book, say)
        else:
            # Its first load did not end, and is done again from raw.
            for table in VAULT:
                if _there(cursor, f"dwh_detailed.{table}"):
                    cursor.execute(f"truncate dwh_detailed.{table}")


def _raw(cursor: Any, book: Book, say: Say) -> None:
    table = catalogue.tables()[TABLE]
    cursor.execute("lock table staging.tickets in access exclusive mode")
    cursor.execute("select count(*) from staging.tickets")
    [total] = cursor.fetchone()
    cursor.execute("create temporary table anew (like staging.tickets) on commit drop")
    done = 0
    rows = _chunks(
        cursor,
        "select kafka_partition, kafka_offset, key::text, value::text from staging.tickets"
        " order by kafka_partition, kafka_offset",
    )
    for chunk in rows:
        records = [
            SimpleNamespace(
                topic=TABLE,
                partition=partition,
                offset=offset,
                timestamp=-1,
                key=None if at is None else at.encode(),
                value=None if value is None else value.encode(),
            )
            for partition, offset, at, value in chunk
        ]
        landing, unfit = book.tokened(cursor, table, records)
        _write_raw(cursor, landing)
        _refuse(cursor, unfit, say)
        done += len(chunk)
        say(f"tokens for persons: {done:,} of {total:,} events")
    if total:
        cursor.execute("truncate staging.tickets")
        cursor.execute("insert into staging.tickets select * from anew")
    cursor.execute("drop table anew")
    cursor.execute("analyze staging.tickets")


def _write_raw(cursor: Any, landing: list[Any]) -> None:
    cursor.execute(
        "insert into anew (kafka_partition, kafka_offset, kafka_timestamp, key, value, landed_at)"
        " select raw.kafka_partition, raw.kafka_offset, raw.kafka_timestamp, raw.key,"
        " new.value::jsonb, raw.landed_at"
        " from unnest(%s::int[], %s::bigint[], %s::text[])"
        " as new (kafka_partition, kafka_offset, value)"
        " inner join staging.tickets as raw using (kafka_partition, kafka_offset)",
        (
            [each.partition for each in landing],
            [each.offset for each in landing],
            [None if each.value is None else each.value.decode() for each in landing],
        ),
    )


def _refuse(cursor: Any, unfit: list[tuple[Any, str]], say: Say) -> None:
    """What landing would refuse now is a dead letter, as it would be."""
    for record, why in unfit:
        place = (catalogue.topic(TABLE), record.partition, record.offset)
        cursor.execute(
            "insert into staging.dead_letter (topic, kafka_partition, kafka_offset,"
            " kafka_timestamp, key, value, error) select %s, kafka_partition, kafka_offset,"
            " kafka_timestamp, convert_to(key::text, 'UTF8'), convert_to(value::text, 'UTF8'), %s"
            " from staging.tickets where kafka_partition = %s and kafka_offset = %s"
            " on conflict do nothing",
            (place[0], why, *place[1:]),
        )
        if _there(cursor, "dwh_control.set_aside_event"):
            cursor.execute(
                "delete from dwh_control.set_aside_event"
                " where (topic, kafka_partition, kafka_offset) = (%s, %s, %s)",
                place,
            )
    if unfit:
        say(f"{len(unfit):,} events of persons cannot be read, and are dead letters now")


def _vault(cursor: Any, book: Book, say: Say) -> None:
    say("tokens for persons: the vault is written anew")
    cursor.execute(VERSIONS)
    _check_hashes(cursor)
    _map(cursor, book)
    passenger = _key("passenger.passenger_id")
    names = {
        "ticket_booking": _keys("ticket.ticket_no", "booking.book_ref", "passenger.passenger_id"),
        "new_passenger": passenger,
        "details": _hash("jsonb_build_array(booking.book_ref, passenger.passenger_id)::text"),
        "document": _triple("passenger.passenger_id"),
    }
    cursor.execute(COMBINATIONS.format(**names))
    cursor.execute("analyze combined")
    _anew(
        cursor,
        "dwh_detailed.hub_passengers",
        {
            "passenger_hash_key": "case when old.passenger_id is null then"
            f" old.passenger_hash_key else {_key('new.new_document')} end",
            "passenger_id": "new.new_document",
        },
        f"inner join token as new on new.key = {_triple('old.passenger_id')}",
    )
    of_combination = "inner join combined as new on new.old_key = old.ticket_booking_hash_key"
    _anew(
        cursor,
        "dwh_detailed.link_ticket_booking",
        {"ticket_booking_hash_key": "new.new_key", "passenger_hash_key": "new.new_passenger"},
        of_combination,
    )
    _anew(
        cursor,
        "dwh_detailed.sat_ticket_details",
        {"ticket_booking_hash_key": "new.new_key", "hash_diff": "new.new_details"},
        of_combination,
    )
    _names_anew(cursor)
    _kept_anew(cursor)


def _check_hashes(cursor: Any) -> None:
    """Whether the vault's hashes are those that are made here; else nothing would be found."""
    names = {
        "passenger": _key("passenger_id"),
        "details": _hash("jsonb_build_array(booking.book_ref, passenger.passenger_id)::text"),
        "ticket_booking": _keys("ticket.ticket_no", "booking.book_ref", "passenger.passenger_id"),
    }
    for table, statement in OTHER_HASHES.items():
        cursor.execute(statement.format(**names))
        [count] = cursor.fetchone()
        if count:
            raise AirlineError(
                f"{count:,} hashes in dwh_detailed.{table} are made otherwise than dbt_project.yml"
                " says, so persons cannot get tokens there; the warehouse is as it was",
                "with the version of before: './airline dbt run --full-refresh --selector vault'"
                " with the variables of this version, then './airline up' goes on",
            )


def _map(cursor: Any, book: Book) -> None:
    """The table `token`: what stands for a document, a name and a contact that come together."""
    cursor.execute(
        "create temporary table token (key text primary key, new_document text, new_name text,"
        " new_contact jsonb) on commit drop"
    )
    triples = [
        "select document, name, contact from named",
        "select passenger_id, null, null from dwh_detailed.hub_passengers",
        "select null, null, null",
    ]
    if _there(cursor, "dwh_business.kept_tickets"):
        triples.append(
            "select passenger_id, passenger_name, contact_data from dwh_business.kept_tickets"
        )
    if _there(cursor, "snapshots.customer_group_history"):
        triples.append("select passenger_id, null, null from snapshots.customer_group_history")
    table = catalogue.tables()[TABLE]
    for chunk in _chunks(
        cursor,
        f"select {_triple('document', 'name', 'contact')}, document, name, contact::text"
        f" from ({' union '.join(triples)}) as triple (document, name, contact)",
    ):
        records = [
            SimpleNamespace(
                topic=TABLE,
                partition=0,
                offset=number,
                timestamp=-1,
                key=None,
                value=json.dumps(
                    {
                        "after": {
                            "passenger_id": document,
                            "passenger_name": name,
                            "contact_data": contact,
                        }
                    }
                ).encode(),
            )
            for number, (_, document, name, contact) in enumerate(chunk)
        ]
        landing, unfit = book.tokened(cursor, table, records)
        if unfit:
            raise AirlineError(
                f"{len(unfit):,} rows of the vault have values that cannot get tokens:"
                f" {unfit[0][1]}; the warehouse is as it was",
                "report it; the version of before goes on with this stack",
            )
        rows = [json.loads(each.value)["after"] for each in landing]
        cursor.execute(
            "insert into token select * from unnest(%s::text[], %s::text[], %s::text[],"
            " %s::jsonb[]) on conflict do nothing",
            (
                [key for key, *_ in chunk],
                *([row[column] for row in rows] for column in table.personal),
            ),
        )
    cursor.execute("analyze token")


def _names_anew(cursor: Any) -> None:
    cursor.execute(
        "create temporary table renamed on commit drop as"
        " select named.*, token.new_name, token.new_contact from named inner join token"
        f" on token.key = {_triple('named.document', 'named.name', 'named.contact')}"
    )
    cursor.execute("truncate dwh_detailed.sat_passenger_details")
    cursor.execute(
        "insert into dwh_detailed.sat_passenger_details (ticket_hash_key, hash_diff,"
        " passenger_name, contact_data, source_system_id, load_date, record_source)"
        " select ticket_hash_key,"
        f" {_hash('jsonb_build_array(new_name, new_contact::text)::text')},"
        " new_name, new_contact, source_system_id, load_date, record_source from renamed"
    )
    cursor.execute("analyze dwh_detailed.sat_passenger_details")


def _kept_anew(cursor: Any) -> None:
    person = _triple("old.passenger_id", "old.passenger_name", "old.contact_data")
    person = f"inner join token as new on new.key = {person}"
    document = f"inner join token as new on new.key = {_triple('old.passenger_id')}"
    if _there(cursor, "dwh_business.kept_tickets"):
        _anew(
            cursor,
            "dwh_business.kept_tickets",
            {
                "passenger_id": "new.new_document",
                "passenger_name": "new.new_name",
                "contact_data": "new.new_contact",
            },
            person,
        )
    if _there(cursor, "dwh_business.kept_ticket_flights"):
        _anew(
            cursor,
            "dwh_business.kept_ticket_flights",
            {"passenger_id": "new.new_document"},
            document,
        )
    if _there(cursor, "snapshots.customer_group_history"):
        _anew(
            cursor,
            "snapshots.customer_group_history",
            {
                "passenger_id": "new.new_document",
                # As dbt makes it, of the key among others: a hash of the document otherwise.
                "dbt_scd_id": "md5(new.new_document || '|' || old.dbt_valid_from::text)",
            },
            document,
        )


def _anew(cursor: Any, table: str, changed: dict[str, str], join: str) -> None:
    """Writes a table anew, with the `changed` columns as said of `old` and `new` rows."""
    relation = sql.Identifier(*table.split("."))
    cursor.execute(
        "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0"
        " and not attisdropped order by attnum",
        (table,),
    )
    columns = [name for (name,) in cursor.fetchall()]
    cursor.execute(sql.SQL("lock table {} in access exclusive mode").format(relation))
    cursor.execute(
        sql.SQL("create temporary table anew on commit drop as select {} from {} as old {}").format(
            sql.SQL(", ").join(
                sql.SQL("{} as {}").format(
                    sql.SQL(changed[name])
                    if name in changed
                    else sql.SQL("old.{}").format(sql.Identifier(name)),
                    sql.Identifier(name),
                )
                for name in columns
            ),
            relation,
            sql.SQL(join),
        )
    )
    cursor.execute(
        sql.SQL("select (select count(*) from {}) - (select count(*) from anew)").format(relation)
    )
    if cursor.fetchone() != (0,):
        raise AirlineError(
            f"rows of {table} have no counterpart in the vault; the warehouse is as it was",
            "with the version of before: './airline dbt run --full-refresh --selector vault', then"
            " './airline up' goes on",
        )
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    cursor.execute(sql.SQL("truncate {}").format(relation))
    cursor.execute(
        sql.SQL("insert into {} ({}) select {} from anew").format(relation, names, names)
    )
    cursor.execute("drop table anew")
    cursor.execute(sql.SQL("analyze {}").format(relation))


def _hash(text: str) -> str:
    """SQL of the hash of a text, as AutomateDV makes it with the project's variables."""
    return HASH.format(f"trim({text})")


def _key(column: str) -> str:
    return f"coalesce({_hash(BUSINESS_KEY.format(column))}, {HASH.format(_text(NULL))})"


def _triple(document: str, name: str = "null", contact: str = "null") -> str:
    """SQL of what the table `token` is asked by. No longer than an index takes."""
    return f"md5(jsonb_build_array({document}, {name}, {contact})::text)"


def _keys(*columns: str) -> str:
    parts = ", ".join(
        f"coalesce({BUSINESS_KEY.format(column)}, {_text(NULL)})" for column in columns
    )
    return HASH.format(f"array_to_string(array[{parts}], {_text(SEPARATOR)})")


def _text(character: str) -> str:
    return f"chr({ord(character)})"


def _chunks(cursor: Any, statement: str) -> Iterator[list[tuple]]:
    with cursor.connection.cursor(name="tokens") as reading:
        reading.itersize = CHUNK
        reading.execute(statement)
        while chunk := reading.fetchmany(CHUNK):
            yield chunk


def _there(cursor: Any, table: str) -> bool:
    cursor.execute("select to_regclass(%s) is not null", (table,))
    return bool(cursor.fetchone()[0])

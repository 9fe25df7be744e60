"""Who reaches what in the warehouse: the table of docs/security.md, which a unit test compares."""

from __future__ import annotations

from infra.postgres import roles

# Those that somebody holds who takes over a service, or has a login of Superset.
WHO = (
    roles.BI,
    roles.MANAGER,
    roles.ANALYST,
    roles.OPS,
    roles.MONITOR,
    roles.AUDIT,
    roles.INGEST,
)
PEOPLE = {roles.BI, roles.MANAGER, roles.ANALYST}
NAMES = {roles.BI, roles.MANAGER}
WRITERS = {roles.INGEST}
NOBODY: set[str] = set()

# A way, a statement that goes it, and who may.
REACH = (
    # marts
    ("marts of airports", "select airport_code from dwh_marts.v_airport_map", {*PEOPLE, roles.OPS}),
    (
        "marts of airports at a past moment",
        "select * from dwh_marts.v_airport_map_as_of(now())",
        {*PEOPLE, roles.OPS},
    ),
    (
        "revenue, and figures of passengers",
        "select revenue from dwh_marts.v_passenger_metrics_30d",
        PEOPLE,
    ),
    ("flights", "select * from dwh_marts.flight_load", PEOPLE),
    ("flights at a past moment", "select * from dwh_marts.flight_load_as_of(now())", PEOPLE),
    ("sales of each flight", "select * from presentation.booking_curve", PEOPLE),
    (
        "frequent flyers, by names or by pseudonyms",
        "select passenger_name from presentation.frequent_flyers",
        PEOPLE,
    ),
    (
        "frequent flyers' names and documents",
        "select passenger_name from presentation_pii.frequent_flyers_personal",
        NAMES,
    ),
    (
        "the same as one text",
        "select whole::text from presentation_pii.frequent_flyers_personal as whole",
        NAMES,
    ),
    # what lies below them
    ("names in the vault", "select passenger_name from dwh_detailed.sat_passenger_details", NOBODY),
    ("documents in the vault", "select passenger_id from dwh_detailed.hub_passengers", NOBODY),
    (
        "tickets as they are now",
        "select passenger_name from dwh_business.current_tickets",
        {roles.AUDIT},
    ),
    (
        "tickets at a past moment",
        "select passenger_name from dwh_business.tickets_as_of(now())",
        NOBODY,
    ),
    (
        "tickets as loads keep them",
        "select passenger_name from dwh_business.kept_tickets",
        {roles.AUDIT},
    ),
    ("landed events", "select value from staging.tickets", {roles.INGEST}),
    ("dead letters", "select value from staging.dead_letter", {roles.INGEST}),
    (
        "the book of persons",
        "select value from staging_pii.identity",
        {roles.AUDIT, roles.INGEST},
    ),
    ("who was forgotten", "select * from staging_pii.forgotten", {roles.AUDIT, roles.INGEST}),
    ("acts of forgetting", "select person, reason, pad from staging_pii.act", {roles.INGEST}),
    (
        "whether acts are open",
        "select begun_at, finished_at, done from staging_pii.act",
        {roles.MONITOR, roles.INGEST},
    ),
    ("load batches", "select * from dwh_control.load_batch", {roles.MONITOR, roles.AUDIT}),
    ("history of passengers' groups", "select * from snapshots.customer_group_history", NOBODY),
    ("the key of pseudonyms", "select inner_block from dwh_secrets.pseudonym_key", NOBODY),
    ("implausible values", "select * from dwh_business.implausible_values", {roles.AUDIT}),
    # by a column's expression, which names no table to Superset
    (
        "past names by a column's expression",
        "select (presentation_pii.frequent_flyers_personal_as_of(now())).passenger_name",
        NAMES,
    ),
    (
        "past pseudonyms by a column's expression",
        "select (presentation.frequent_flyers_as_of(now())).passenger_name",
        PEOPLE,
    ),
    (
        "names by query_to_xml",
        "select query_to_xml('select passenger_name from"
        " dwh_detailed.sat_passenger_details', true, false, '')",
        NOBODY,
    ),
    (
        "documents by table_to_xml",
        "select table_to_xml('dwh_detailed.hub_passengers', true, false, '')",
        NOBODY,
    ),
    # the server
    ("passwords of roles", "select rolpassword from pg_authid", NOBODY),
    ("a file of the server", "select pg_read_file('postgresql.conf')", NOBODY),
    ("a program on the server", "copy (select 1) to program 'true'", NOBODY),
    # writing, holding up
    ("delete a mart's rows", "delete from presentation.booking_curve", NOBODY),
    ("make a table", "create table presentation.mine (n integer)", NOBODY),
    ("make a function", "create function dwh_marts.mine() returns integer return 1", NOBODY),
    ("write a large object", "select lo_from_bytea(0, 'x')", NOBODY),
    ("write the log of changes", "select pg_logical_emit_message(false, 'x', 'x')", NOBODY),
    ("step into dbt's role", "set role airline_dbt", NOBODY),
    (
        "hold up loads by an advisory lock",
        "select pg_try_advisory_lock(hashtext('airline load batch'))",
        WRITERS,
    ),
    (
        "hold up loads by a shared one",
        "select pg_try_advisory_lock_shared(hashtext('airline load batch'))",
        WRITERS,
    ),
    (
        "hold up loads by one of a transaction",
        "select pg_advisory_xact_lock(hashtext('airline load batch'))",
        WRITERS,
    ),
    (
        "hold up builds of a model",
        "select pg_advisory_lock(hashtext('airline build of a model'),"
        " hashtext('model.airline.frequent_flyers'))",
        WRITERS,
    ),
    (
        "hold up loads by the batches' table",
        "lock table dwh_control.load_batch in row exclusive mode",
        NOBODY,
    ),
    ("hold up loads by a batch's row", "select from dwh_control.load_batch for share", NOBODY),
    (
        "hold up builds by a mart's table",
        "lock table presentation.booking_curve in share mode",
        NOBODY,
    ),
)


def table() -> str:
    """The table, as the page has it."""
    rows = [["way", *(role.removeprefix("airline_") for role in WHO)], ["---"] * (len(WHO) + 1)]
    rows += [[way, *("yes" if role in may else "" for role in WHO)] for way, _, may in REACH]
    lines = ("|".join(f" {cell} " if cell else " " for cell in row) for row in rows)
    return "\n".join(f"|{line}|" for line in lines)

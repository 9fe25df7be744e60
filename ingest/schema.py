"""Creates the tables that the ingester writes and owns; idempotent."""

from __future__ import annotations

import psycopg2
from psycopg2 import sql

from ingest.faults import IngestError

# The version of the warehouse's tables that this code works with: the number of the newest file in
# infra/warehouse/migrations.
VERSION = 4
# Advisory lock that serialises ingesters which start at the same time; an arbitrary number.
_LOCK = 7_203_115_640

_EVENT_COLUMNS = {
    "kafka_partition": ("integer NOT NULL", "Partition of the topic the event was read from"),
    "kafka_offset": (
        "bigint NOT NULL",
        "Offset in that partition; the order of changes. Has gaps: transaction markers and"
        " dead letters take offsets too",
    ),
    "kafka_timestamp": (
        "timestamptz",
        "When Debezium produced the event; null if it carries no time",
    ),
    "key": ("jsonb", "Primary key of the changed row; null for TRUNCATE, which has none"),
    "value": ("jsonb", "Debezium's change event, unchanged; null for a tombstone"),
    "landed_at": ("timestamptz NOT NULL DEFAULT now()", "When the event's flush began"),
}
_EVENT_KEY = ("kafka_partition", "kafka_offset")

_OWN_TABLES = {
    "ingest_offset": (
        "The next event to land, per topic and partition. Written in the transaction that lands"
        " the events before it, only by compare-and-set: the source of exactly-once.",
        {
            "topic": ("text NOT NULL", "Kafka topic"),
            "kafka_partition": ("integer NOT NULL", "Partition of the topic"),
            "next_offset": ("bigint NOT NULL", "Offset of the first event not landed yet"),
            "updated_at": ("timestamptz NOT NULL DEFAULT now()", "When it last moved"),
            "topic_id": (
                "uuid",
                "Kafka's id of the topic that the offset is one of: a topic that was deleted and"
                " created again has another. Null until events of it land",
            ),
            "leader_epoch": (
                "integer",
                "Kafka's number of the leader that the log before next_offset was read from: the"
                " broker knows where each one's log ended. Null: stored by an earlier version or"
                " a person",
            ),
            "last_offset": ("bigint", "Offset of the newest event that landed"),
            "last_timestamp": ("bigint", "Its timestamp in Kafka, in milliseconds since 1970"),
            "last_checksum": (
                "bytea",
                "BLAKE2b (8 bytes) of its key and value, as bytes: read again at each start, it"
                " shows that the log is the same one",
            ),
            "refusal": (
                "text",
                "Why nothing of the partition is landed until somebody repairs it; null if well."
                " Kafka lost events, or the topic is another one",
            ),
        },
        ("topic", "kafka_partition"),
    ),
    "lost_log": (
        "Where Kafka lost events that had landed, or the topic became another one. Written by"
        " ./airline resync, which repaired it. Raw rows of the range are history that the topic"
        " has no more; what the topic has there landed again from to_offset on.",
        {
            "topic": ("text NOT NULL", "Kafka topic"),
            "kafka_partition": ("integer NOT NULL", "Partition of the topic"),
            "from_offset": ("bigint NOT NULL", "First offset at which the topic differs from raw"),
            "to_offset": ("bigint NOT NULL", "Where landing went on"),
            "reason": ("text NOT NULL", "What the ingester said"),
            "repaired_at": ("timestamptz NOT NULL DEFAULT now()", "When landing could go on"),
        },
        ("topic", "kafka_partition", "to_offset"),
    ),
    "dead_letter": (
        "Events that jsonb refuses, as the bytes that came from Kafka. Their neighbours landed."
        " See ./airline dead-letters.",
        {
            "topic": ("text NOT NULL", "Kafka topic"),
            "kafka_partition": ("integer NOT NULL", "Partition of the topic"),
            "kafka_offset": ("bigint NOT NULL", "Offset in that partition"),
            "kafka_timestamp": ("timestamptz", "Timestamp of the Kafka record"),
            "key": ("bytea", "The record's key"),
            "value": ("bytea", "The record's value"),
            "error": ("text NOT NULL", "What PostgreSQL said"),
            "landed_at": ("timestamptz NOT NULL DEFAULT now()", "When it was put here"),
            "resolution": (
                "text CHECK (resolution IN ('replayed', 'edited', 'discarded'))",
                "What a person decided: replayed or edited events are in their staging table"
                " since, discarded ones never will be. Null: nothing yet",
            ),
            "resolved_at": ("timestamptz", "When that was"),
        },
        ("topic", "kafka_partition", "kafka_offset"),
    ),
}

# The book of persons (ingest/book.py): schema staging_pii.
_BOOK = {
    "identity": (
        "One row per value of a person: the token that stands for it everywhere else, and the"
        " value. Forgetting a person deletes the person's rows.",
        {
            "lookup": (
                "bytea NOT NULL",
                "HMAC-SHA-256 of the value, and of the person where it is no document, with a key"
                " that is not in the database",
            ),
            "kind": ("text NOT NULL", "The column that it is a value of"),
            "person": ("text NOT NULL", "Whose value it is: the token of the person's document"),
            "token": ("text NOT NULL UNIQUE", "What stands for the value. Random"),
            "value": (
                "text",
                "The value as the source sent it. Null where values came without a document: the"
                " person that these are kept for",
            ),
        },
        ("lookup", "kind"),
    ),
    "forgotten": (
        "One row per person who was forgotten. Whoever holds it and the key of the lookups can ask"
        " whether a known document is on it.",
        {
            "lookup": ("bytea NOT NULL", "HMAC of the document, as in identity"),
            "person": ("text NOT NULL", "The token that stands for the person for ever"),
        },
        ("lookup",),
    ),
    "act": (
        "One row per forgetting of a person: who had it done, why, what was done. No value of the"
        " person.",
        {
            "act_id": ("bigint GENERATED ALWAYS AS IDENTITY", "Its number"),
            "person": ("text NOT NULL", "The token that stands for the person"),
            "begun_at": ("timestamptz NOT NULL DEFAULT now()", "When the person became unreadable"),
            "begun_by": ("text NOT NULL", "The account that had it done"),
            "reason": ("text NOT NULL", "Why, in that account's words"),
            "counts": (
                "jsonb NOT NULL DEFAULT '{}'",
                "Step -> place -> how many rows or bytes were changed there",
            ),
            "done": (
                "text[] NOT NULL DEFAULT '{}'",
                "The steps that are done (infra/subject/steps.py)",
            ),
            "pad": (
                "bytea",
                "While the act is open: one half of the person's values, worth nothing without the"
                " file of the act, which is in the stack's home",
            ),
            "finished_at": ("timestamptz", "When nothing was found any more; null while open"),
        },
        ("act_id",),
    ),
    "book_key": (
        "One row: by what the key of the lookups is known again.",
        {
            "is_only": ("boolean NOT NULL CHECK (is_only)", "So that there is one row"),
            "fingerprint": ("bytea NOT NULL", "A hash of the key"),
        },
        ("is_only",),
    ),
}


def create(connection, tables: list[str]) -> None:
    """Creates what is missing in schema staging, in one transaction.

    IngestError if the schema is missing and this role may not create it, and where the tables are
    of another version of the product: nothing is changed then.
    """
    with connection, connection.cursor() as cursor:
        _refuse_other_version(cursor)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        for name in ("staging", "staging_pii"):
            _create_schema(cursor, name)
        for table in tables:
            _create_table(
                cursor,
                sql.Identifier("staging", table),
                f"Change events of the topic that ends in {table}, as they came from Kafka.",
                _EVENT_COLUMNS,
                _EVENT_KEY,
            )
        for table, (comment, columns, key) in _OWN_TABLES.items():
            _create_table(cursor, sql.Identifier("staging", table), comment, columns, key)
        create_book(cursor)
        _let_dbt_read(cursor)
        _let_monitor_count(cursor)


def create_book(cursor) -> None:
    """Creates what is missing in schema staging_pii, which is there."""
    for table, (comment, columns, key) in _BOOK.items():
        name = sql.Identifier("staging_pii", table)
        if _create_table(cursor, name, comment, columns, key) and table == "identity":
            # No copy in the statistics; and whoever searches the files for a value finds it.
            cursor.execute(
                sql.SQL(
                    "ALTER TABLE {} ALTER COLUMN value SET STATISTICS 0,"
                    " ALTER COLUMN value SET STORAGE EXTERNAL"
                ).format(name)
            )
    _let_in(cursor, "identity", "airline_dbt", "airline_audit")
    _let_in(cursor, "forgotten", "airline_dbt", "airline_audit")
    _let_count_acts(cursor)


def _let_count_acts(cursor) -> None:
    """`status` says whether an act is open, and nothing of whom it is about."""
    cursor.execute(
        "SELECT FROM pg_roles WHERE rolname = 'airline_monitor'"
        " AND NOT (has_schema_privilege(oid, 'staging_pii', 'USAGE')"
        " AND has_column_privilege(oid, 'staging_pii.act', 'finished_at', 'SELECT'))"
    )
    if cursor.rowcount:
        cursor.execute(
            "GRANT USAGE ON SCHEMA staging_pii TO airline_monitor;"
            " GRANT SELECT (act_id, begun_at, finished_at, done) ON staging_pii.act"
            " TO airline_monitor"
        )


def _create_schema(cursor, name: str) -> None:
    # CREATE … IF NOT EXISTS needs the CREATE privilege even where the schema exists.
    cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,))
    if cursor.fetchone():
        return
    info = cursor.connection.info
    try:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    except psycopg2.errors.InsufficientPrivilege as error:
        raise IngestError(
            f"The warehouse {info.dbname} has no schema {name}, and role {info.user} may not create"
            f" it. Run as admin: CREATE SCHEMA {name} AUTHORIZATION {info.user};"
        ) from error


def noted_version(cursor) -> tuple[int | None, bool]:
    """(the recorded version of the warehouse's tables or None, whether `up` made its schemas).

    A warehouse that `up` made and that has no recorded version is older than versioning.
    """
    # From the catalogue: in an older stack the role may not read the schema.
    cursor.execute(
        "SELECT"
        " EXISTS (SELECT FROM pg_class AS made JOIN pg_namespace AS place"
        "  ON made.relnamespace = place.oid"
        "  WHERE place.nspname = 'dwh_control' AND made.relname = 'migration'),"
        " EXISTS (SELECT FROM pg_proc AS made JOIN pg_namespace AS place"
        "  ON made.pronamespace = place.oid"
        "  WHERE place.nspname = 'dwh_control' AND made.proname = 'newest_mart_row')"
    )
    has_notes, is_made = cursor.fetchone()
    if not has_notes:
        return None, is_made
    cursor.execute("SELECT max(version) FROM dwh_control.migration")
    return cursor.fetchone()[0], is_made


def _refuse_other_version(cursor) -> None:
    noted, is_made = noted_version(cursor)
    if noted is None and not is_made:
        return  # a warehouse that somebody else made, used for landing only
    version = noted or 0
    if version < VERSION:
        raise IngestError(
            f"The warehouse {cursor.connection.info.dbname} is of version {version}, and this code"
            f" works with version {VERSION}. './airline up' brings it up."
        )
    if version > VERSION:
        raise IngestError(
            f"The warehouse {cursor.connection.info.dbname} is of version {version}, and this code"
            f" knows version {VERSION}: a newer version of the product was here. Use that one."
        )


def _create_table(cursor, name: sql.Identifier, comment: str, columns: dict, key: tuple) -> bool:
    """Whether it was missing."""
    # No DDL on a table that exists: it would wait for its readers, and new readers for it.
    cursor.execute(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (name.as_string(cursor),),
    )
    there = {column for (column,) in cursor}
    if there:
        if missing := [column for column in columns if column not in there]:
            raise IngestError(
                f"{name.as_string(cursor)} has no column {', '.join(missing)}: an earlier version"
                " made it. './airline up' brings its stack up; a warehouse of your own the files in"
                " infra/warehouse/migrations, run in their order as the tables' owner."
            )
        return False
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
        for column, (kind, _) in columns.items()
    ]
    primary_key = sql.SQL(", ").join(map(sql.Identifier, key))
    definitions.append(sql.SQL("PRIMARY KEY ({})").format(primary_key))
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(definitions)))
    cursor.execute(sql.SQL("COMMENT ON TABLE {} IS %s").format(name), (comment,))
    for column, (_, meaning) in columns.items():
        cursor.execute(
            sql.SQL("COMMENT ON COLUMN {}.{} IS %s").format(name, sql.Identifier(column)),
            (meaning,),
        )
    return True


def _let_in(cursor, table: str, *roles: str) -> None:
    """Lets those of the roles that there are read a table of the book."""
    cursor.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND NOT"
        " (has_schema_privilege(oid, 'staging_pii', 'USAGE')"
        " AND has_table_privilege(oid, %s, 'SELECT'))",
        (list(roles), f"staging_pii.{table}"),
    )
    for (role,) in cursor.fetchall():
        cursor.execute(
            sql.SQL(
                "GRANT USAGE ON SCHEMA staging_pii TO {0}; GRANT SELECT ON staging_pii.{1} TO {0}"
            ).format(sql.Identifier(role), sql.Identifier(table))
        )


def _let_dbt_read(cursor) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'airline_dbt'")
    if cursor.fetchone():
        cursor.execute("GRANT USAGE ON SCHEMA staging TO airline_dbt")
        cursor.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA staging GRANT SELECT ON TABLES TO airline_dbt"
        )
        # GRANT locks its table as DDL does, so only missing grants are made.
        cursor.execute(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r'"
            " AND NOT has_table_privilege('airline_dbt', oid, 'SELECT')"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(
                sql.SQL("GRANT SELECT ON staging.{} TO airline_dbt").format(sql.Identifier(table))
            )


def _let_monitor_count(cursor) -> None:
    """Metrics may read landing positions and the number of refused events, but no event."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'airline_monitor'")
    if cursor.fetchone():
        cursor.execute("GRANT USAGE ON SCHEMA staging TO airline_monitor")
        cursor.execute(
            "SELECT has_table_privilege('airline_monitor', 'staging.ingest_offset', 'SELECT')"
        )
        if cursor.fetchone() == (False,):
            cursor.execute("GRANT SELECT ON staging.ingest_offset TO airline_monitor")
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'staging.dead_letter'::regclass"
            " AND attname = ANY(%s)"
            " AND NOT has_column_privilege('airline_monitor', attrelid, attnum, 'SELECT')",
            (["topic", "kafka_partition", "kafka_offset", "resolution", "resolved_at"],),
        )
        if unseen := [sql.Identifier(column) for (column,) in cursor]:
            cursor.execute(
                sql.SQL("GRANT SELECT ({}) ON staging.dead_letter TO airline_monitor").format(
                    sql.SQL(", ").join(unseen)
                )
            )

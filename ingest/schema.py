"""Creates the tables that the ingester writes and owns; idempotent."""

from __future__ import annotations

import psycopg2
from psycopg2 import sql

from ingest.faults import IngestError

# The version of the warehouse's tables that this code works with: the number of the newest file in
# infra/warehouse/migrations.
VERSION = 3
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


def create(connection, tables: list[str]) -> None:
    """Creates what is missing in schema staging, in one transaction.

    IngestError if the schema is missing and this role may not create it, and where the tables are
    of another version of the product: nothing is changed then.
    """
    with connection, connection.cursor() as cursor:
        _refuse_other_version(cursor)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # CREATE … IF NOT EXISTS needs the CREATE privilege even where the schema exists.
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'staging'")
        if not cursor.fetchone():
            try:
                cursor.execute("CREATE SCHEMA staging")
            except psycopg2.errors.InsufficientPrivilege as error:
                raise IngestError(
                    f"The warehouse {connection.info.dbname} has no schema staging, and role"
                    f" {connection.info.user} may not create it. Run as admin:"
                    f" CREATE SCHEMA staging AUTHORIZATION {connection.info.user};"
                ) from error
        for table in tables:
            _create_table(
                cursor,
                table,
                f"Change events of the topic that ends in {table}, as they came from Kafka.",
                _EVENT_COLUMNS,
                _EVENT_KEY,
            )
        for table, (comment, columns, key) in _OWN_TABLES.items():
            _create_table(cursor, table, comment, columns, key)
        _let_dbt_read(cursor)
        _let_monitor_count(cursor)


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


def _create_table(cursor, table: str, comment: str, columns: dict, key: tuple) -> None:
    name = sql.SQL("staging.{}").format(sql.Identifier(table))
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
        return
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

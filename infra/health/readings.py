"""Which numbers of the findings are metrics of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Reading:
    """A metric from a finding: the finding's name, the metric's name and help text, and where its
    value is in the finding.
    """

    check: str
    name: str
    what: str
    value: Callable[[dict[str, Any]], float | None]


def _number(key: str) -> Callable[[dict[str, Any]], float | None]:
    def read(values: dict[str, Any]) -> float | None:
        value = values.get(key)
        return None if value is None else float(value)

    return read


def _count(key: str) -> Callable[[dict[str, Any]], float | None]:
    def read(values: dict[str, Any]) -> float | None:
        return float(len(values[key])) if key in values else None

    return read


def _age(*keys: str) -> Callable[[dict[str, Any]], float | None]:
    """Seconds since the first of these moments that is not None."""

    def read(values: dict[str, Any]) -> float | None:
        for key in keys:
            moment = values.get(key)
            if isinstance(moment, datetime):
                return (datetime.now(UTC) - moment).total_seconds()
        return None

    return read


READINGS = (
    Reading(
        "replication",
        "airline_replication_streaming",
        "1 if the replica streams",
        lambda values: float(values.get("state") == "streaming"),
    ),
    Reading(
        "replication",
        "airline_replication_lag_bytes",
        "Log that the replica has not replayed",
        _number("lag_bytes"),
    ),
    Reading(
        "replication",
        "airline_replication_lag_seconds",
        "How long the replica takes to replay what is committed",
        _number("lag_seconds"),
    ),
    Reading(
        "replication",
        "airline_replication_paused",
        "1 if somebody paused the replica's replay",
        _number("replay_paused"),
    ),
    Reading(
        "replication",
        "airline_replication_slot_synchronised",
        "1 if the replica has CDC's slot, so that a failover keeps it",
        _number("slot_synchronised"),
    ),
    Reading(
        "slot",
        "airline_slot_active",
        "1 if somebody reads CDC's slot",
        _number("active"),
    ),
    Reading(
        "slot",
        "airline_slot_retained_bytes",
        "Log that the primary keeps for CDC's slot",
        _number("retained_bytes"),
    ),
    Reading(
        "slot",
        "airline_slot_limit_bytes",
        "Log that it may keep; past this the slot is lost",
        _number("limit_bytes"),
    ),
    Reading(
        "slot",
        "airline_slot_lost",
        "1 if the log that CDC needs is gone",
        lambda values: float(values.get("wal_status") == "lost"),
    ),
    Reading(
        "slot continuity",
        "airline_slot_gap_bytes",
        "Log between the connector's stored position and the slot, where that was ahead of it",
        _number("missed_bytes"),
    ),
    Reading(
        "source tables",
        "airline_captured_tables",
        "Tables of the source of which every change is captured",
        _number("captured"),
    ),
    Reading(
        "source tables",
        "airline_source_faults",
        "What keeps changes of the source's tables from being captured or rows from being read",
        _count("faults"),
    ),
    Reading(
        "source tables",
        "airline_columns_not_kept",
        "Columns of the source's tables that the vault does not keep",
        _count("not_kept"),
    ),
    Reading(
        "resync due",
        "airline_resyncs_due",
        "Tables (all count as one) of which changes may have been missed, and no resync was since",
        _number("count"),
    ),
    Reading(
        "connector",
        "airline_connector_running",
        "1 if connector and task run; 0 also where it is paused, stopped or not there",
        lambda values: float(
            values.get("connector") == "RUNNING" and values.get("task") == "RUNNING"
        ),
    ),
    Reading(
        "log continuity",
        "airline_refused_logs",
        "Partitions of which nothing lands, as Kafka's log is not the one that landed",
        _number("count"),
    ),
    Reading(
        "consumer lag",
        "airline_unlanded_offsets",
        "Offsets that are in Kafka and not in staging",
        _number("total"),
    ),
    Reading(
        "consumer lag",
        "airline_missing_topics",
        "Topics of which events have landed, and that Kafka has no more",
        _count("missing_topics"),
    ),
    Reading(
        "ingesters",
        "airline_unassigned_partitions",
        "Partitions that no ingester reads",
        _count("unassigned"),
    ),
    Reading(
        "DAGs",
        "airline_dags_missing",
        "DAGs that Airflow has not read",
        _count("missing"),
    ),
    Reading(
        "DAGs",
        "airline_dags_paused",
        "DAGs that are paused",
        _count("paused"),
    ),
    Reading(
        "DAGs",
        "airline_dags_failed",
        "DAGs whose last run that is over failed",
        _count("failed"),
    ),
    Reading(
        "landed",
        "airline_landed_age_seconds",
        "Since events landed in staging last",
        _age("newest"),
    ),
    Reading(
        "dead letters",
        "airline_dead_letters",
        "Events in staging.dead_letter",
        _number("count"),
    ),
    Reading(
        "set aside",
        "airline_set_aside_events",
        "Events that landed and cannot be loaded, and wait for a decision",
        _number("count"),
    ),
    Reading(
        "load batch",
        "airline_load_batch",
        "Number of the newest load batch",
        _number("load_batch_id"),
    ),
    Reading(
        "load batch",
        "airline_load_batch_open",
        "1 if the newest load batch is open: being loaded, or left by a load that failed",
        lambda values: float(values["closed_at"] is None) if values.get("opened_at") else None,
    ),
    Reading(
        "load batch",
        "airline_load_batch_age_seconds",
        "Since the newest load batch was closed, or opened where it is open",
        _age("closed_at", "opened_at"),
    ),
    Reading(
        "load batch",
        "airline_unread_offsets",
        "Landed offsets that no load batch has read",
        _number("unread"),
    ),
    Reading(
        "load batch",
        "airline_unread_age_seconds",
        "Since the oldest event landed that no load batch has read; 0 where there is none",
        _number("unread_age"),
    ),
    Reading(
        "load batch",
        "airline_unread_age_limit_seconds",
        "How long events may wait for a load: where Airflow loads 20 minutes, or three times"
        " AIRLINE_LOAD_MINUTES; else an hour, or twice that",
        _number("unread_age_limit"),
    ),
    Reading(
        "disk space",
        "airline_disk_free_bytes",
        "Room on the disk of the stack or of one of its servers that has least",
        _number("free_bytes"),
    ),
    Reading(
        "transactions",
        "airline_incomplete_transactions",
        "Source transactions that were loaded in part and that no audit or resync has settled",
        _number("incomplete"),
    ),
    Reading(
        "models and tests",
        "airline_models_failing",
        "Models of dbt of which something, a test too, failed when it ran last, whoever ran it",
        _count("failing"),
    ),
    Reading(
        "marts",
        "airline_marts_old",
        "Marts that are tables and were not built for 26 hours although the vault has gone on",
        _count("old"),
    ),
    Reading(
        "volume",
        "airline_changes_loaded_24h",
        "Changes of the source that were loaded in the last 24 hours",
        _number("changes"),
    ),
    Reading(
        "volume",
        "airline_unusual_tables",
        "Tables of which unusually many or few changes were loaded in the last 24 hours",
        _count("unusual"),
    ),
    Reading(
        "audit",
        "airline_audit_differences",
        "Rows in which source and vault differed at the last audit",
        _number("differences"),
    ),
    Reading(
        "audit",
        "airline_audit_age_seconds",
        "Since the last audit",
        _age("at"),
    ),
    Reading(
        "messages",
        "airline_incidents_open",
        "Troubles that owners were told of and that are not over",
        _count("open"),
    ),
    Reading(
        "messages",
        "airline_messages_unsent",
        "Messages to owners that could not be sent so far",
        _number("unsent"),
    ),
    Reading(
        "data as of",
        "airline_data_age_seconds",
        "Since the newest load batch that is closed was opened: how old what dashboards show is",
        _age("as_of"),
    ),
    Reading(
        "data as of",
        "airline_newest_mart_row_age_seconds",
        "Since the newest row of the presentation tables was written",
        _age("newest_mart_row"),
    ),
)

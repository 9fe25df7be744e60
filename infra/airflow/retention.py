"""Removes raw events that every load batch has long read."""

from __future__ import annotations

import logging
from contextlib import closing

from airflow.providers.postgres.hooks.postgres import PostgresHook
from psycopg2 import sql

from infra.airflow import config
from infra.settings import TABLES, Settings

log = logging.getLogger(__name__)
REMOVED = """
create table if not exists staging.removed_event (
    topic text not null,
    kafka_partition integer not null,
    below_offset bigint not null,
    removed_at timestamptz not null default now(),
    primary key (topic, kafka_partition)
);
comment on table staging.removed_event is
'One row per topic and partition whose oldest events were removed: below that offset there are none.
With a row here the vault cannot be made again from the first event.'
"""


def remove_consumed() -> None:
    """Removes what is older than the days to keep, once `staging` is larger than it may be."""
    settings = Settings.from_environment()
    hook = PostgresHook(postgres_conn_id=config.LANDING_CONNECTION)
    with closing(hook.get_conn()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint from pg_class"
            " where relnamespace = 'staging'::regnamespace and relkind = 'r'"
        )
        [(size,)] = cursor.fetchall()
        allowed = settings.retention_gb * 1_000_000_000
        if size <= allowed:
            log.info(
                "staging has %.2f GB of %s GB: nothing to do", size / 1e9, settings.retention_gb
            )
            return
        cursor.execute(REMOVED)
        for table in (*TABLES, "transaction"):
            log.info("staging.%s: %s events removed", table, _remove(cursor, table, settings))


def _remove(cursor, table: str, settings: Settings) -> int:
    """Of one table: below what the newest closed batch began with, and old enough."""
    topic = next(topic for topic in settings.topics if topic.rpartition(".")[2] == table)
    cursor.execute(
        sql.SQL(
            """
            with consumed as (
                select read.kafka_partition, read.from_offset
                from dwh_control.load_batch_range as read
                where read.topic = %(topic)s
                    and read.load_batch_id = (
                        select max(load_batch_id) from dwh_control.load_batch
                        where outcome = 'loaded'
                    )
            ),

            removed as (
                delete from {events} as event
                using consumed
                where event.kafka_partition = consumed.kafka_partition
                    and event.kafka_offset < consumed.from_offset
                    and event.landed_at < now() - make_interval(days => %(days)s)
                returning event.kafka_partition, event.kafka_offset
            ),

            noted as (
                insert into staging.removed_event (topic, kafka_partition, below_offset)
                select %(topic)s, kafka_partition, max(kafka_offset) + 1
                from removed group by kafka_partition
                on conflict (topic, kafka_partition) do update
                set below_offset = excluded.below_offset, removed_at = now()
            )

            select count(*) from removed
            """
        ).format(events=sql.Identifier("staging", table)),
        {"topic": topic, "days": settings.retention_days},
    )
    [(count,)] = cursor.fetchall()
    return count

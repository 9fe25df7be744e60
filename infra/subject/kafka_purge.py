"""Removes from Kafka's disk what landed of tables with personal columns.

No event is lost by it, whoever is killed: records are deleted below what the warehouse has landed
and nowhere else, and files that hold only such records are all that goes. The connector runs on
meanwhile, and no retention is ever set. Kafka's own topics, and Connect's, have names and numbers
of partitions, positions in the source's log and keys of tables, which are not personal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing

import psycopg2
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

import catalogue
from infra import warehouse
from infra.errors import AirlineError
from infra.kafka import access, segments
from infra.loading import landing
from infra.postgres import sessions
from infra.settings import Settings
from infra.stack.progress import Progress
from infra.subject.needles import Erased

# Without any progress for so long it is given up, in seconds. Kafka looks every ten seconds for
# what may go.
PATIENCE = 180
ROLL_EVERY = 5.0

Landed = Callable[[], Mapping[tuple[str, int], int]]


def run(settings: Settings, act: Erased) -> Mapping[str, int]:
    """All that the source had committed when this was called lands, then goes from Kafka's disk.

    Raises AirlineError where it does not, or a service does not answer.
    """
    return _run(settings)


def again(settings: Settings) -> Mapping[str, int]:
    """The same, where anybody was forgotten: the source may have sent them since."""
    try:
        with (
            closing(psycopg2.connect(warehouse.landing_dsn(settings))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("select exists (select from staging_pii.forgotten)")
            [is_due] = cursor.fetchone()
    except psycopg2.Error as error:
        raise _stays(sessions.reason(error)) from None
    return _run(settings) if is_due else {}


def _run(settings: Settings) -> Mapping[str, int]:
    say = Progress().say
    try:
        landing.wait_until_landed(settings, say)
        topics = [
            catalogue.topic(table.name) for table in catalogue.tables().values() if table.personal
        ]
        return purge(settings, topics, lambda: landing.landed_offsets(settings), say)
    # The client raises the last two where a connection breaks at certain moments.
    except (KafkaError, OSError, AssertionError) as error:
        raise _stays(f"Kafka does not answer ({error})") from None
    except psycopg2.Error as error:
        raise _stays(sessions.reason(error)) from None


def purge(
    settings: Settings,
    topics: Iterable[str],
    landed: Landed,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """What the topics hold now goes from the disk, as soon as it has landed. Returns topic ->
    offsets removed.
    """
    with closing(KafkaAdminClient(**access.client(settings))) as admin:
        # Asked for none, Kafka would describe all.
        known = sorted(set(topics) & set(admin.list_topics()))
        partitions = [
            TopicPartition(topic["name"], each["partition_index"])
            for topic in (admin.describe_topics(known) if known else ())
            for each in topic["partitions"]
        ]
        if not partitions:
            return {}
        begun = _offsets(admin, partitions, OffsetSpec.EARLIEST)
        # Every message that is there, of open transactions too.
        wanted = _offsets(admin, partitions, OffsetSpec.LATEST)
        before: object = None
        deadline = time.monotonic() + PATIENCE
        rolled = 0.0
        while left := {each: at for each in partitions if (at := _left(settings, each, wanted))}:
            now = time.monotonic()
            to_roll = [each for each, at in left.items() if at[-1] < wanted[each]]
            if to_roll and now - rolled > ROLL_EVERY:
                segments.begin_new(settings, to_roll)
                rolled = now
            firsts = _offsets(admin, list(left), OffsetSpec.EARLIEST)
            stored = landed()
            cuts = {}
            for each, at in left.items():
                cut = min((begin for begin in at if begin >= wanted[each]), default=0)
                if firsts[each] < cut <= stored.get(tuple(each), 0):
                    cuts[each] = cut
            if cuts:
                admin.delete_records(cuts)
                say(
                    "Kafka removes " + ", ".join(f"{p.topic} before {n:,}" for p, n in cuts.items())
                )
            seen = (left, firsts, stored)
            if seen != before:
                before, deadline = seen, now + PATIENCE
            if now > deadline:
                raise _why_not(left, wanted, stored)
            time.sleep(0.5)
        segments.restore(settings)
        removed = _offsets(admin, partitions, OffsetSpec.EARLIEST)
    counts: dict[str, int] = {}
    for each in partitions:
        name = f"Kafka: {each.topic}"
        counts[name] = counts.get(name, 0) + removed[each] - begun[each]
    return counts


def _offsets(
    admin: KafkaAdminClient, partitions: Iterable[TopicPartition], which: OffsetSpec
) -> dict[TopicPartition, int]:
    found = admin.list_partition_offsets(dict.fromkeys(partitions, which))
    return {each: at.offset for each, at in found.items()}


def _left(
    settings: Settings, partition: TopicPartition, wanted: Mapping[TopicPartition, int]
) -> list[int]:
    """Where the partition's files begin, as long as one of them has what is to go; else []."""
    begins = segments.begins(settings, partition)
    return begins if wanted[partition] and begins and begins[0] < wanted[partition] else []


def _why_not(
    left: Mapping[TopicPartition, list[int]],
    wanted: Mapping[TopicPartition, int],
    stored: Mapping[tuple[str, int], int],
) -> AirlineError:
    for each in left:
        at = stored.get(tuple(each), 0)
        if at < wanted[each]:
            return _stays(
                f"{each.topic} partition {each.partition} has landed up to {at:,} only, and has "
                f"messages up to {wanted[each]:,}"
            )
    return _stays(f"files of {', '.join(each.topic for each in left)} are still there")


def _stays(why: str) -> AirlineError:
    return AirlineError(
        f"what landed stays in Kafka for now: {why}",
        "see './airline status'; './airline subject resume' goes on from here",
    )

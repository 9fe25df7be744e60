"""`dead-letters`: what jsonb refused at landing, and what was set aside at loading.

The first are the ingester's own verb's; the second are dbt's, and wait in `staging`.
"""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import closing
from typing import Any

import psycopg2

from infra.dbt import runner
from infra.errors import AirlineError
from infra.loading.ingesters import ingest_environment
from infra.repair.dead_letter_options import PROG, parser
from infra.settings import Settings
from infra.stack.progress import complain
from infra.warehouse import dbt_dsn, landing_dsn, set_aside
from infra.warehouse.service import Warehouse
from ingest import config, faults
from ingest import dead_letters as refused
from ingest.book import Unfit
from ingest.dead_letters import Letter


def main(settings: Settings, arguments: list[str]) -> int:
    """Does the verb for both kinds; returns an exit code."""
    os.environ.update(ingest_environment(settings))
    options = parser().parse_args(arguments or ["list"])
    try:
        with closing(psycopg2.connect(dbt_dsn(settings))) as connection:
            with connection, connection.cursor() as cursor:
                known = set_aside.letters(cursor)
            return _VERBS[options.name](settings, connection, known, options, arguments)
    except faults.IngestError as error:
        raise AirlineError(str(error)) from error


def _list(settings: Settings, connection, known: list[Letter], options, arguments) -> int:
    try:
        with closing(psycopg2.connect(**config.read([]).dsn())) as landing:
            found = refused.all_letters(landing)
    except psycopg2.errors.UndefinedTable:
        return refused.main(arguments, PROG)
    refused.print_list(sorted(found + known, key=lambda each: each.landed_at), options)
    return 0


def _show(settings: Settings, connection, known: list[Letter], options, arguments) -> int:
    for letter in known:
        if _event(letter) == options.event:
            refused.print_letter(letter, options)
            return 0
    return refused.main(arguments, PROG)


def _replay(settings: Settings, connection, known: list[Letter], options, arguments) -> int:
    mine, others = _split(known, options.events)
    if not options.events:
        mine = [
            each for each in known if each.resolution is None and refused.is_of(each, options.topic)
        ]
    code = 0
    if mine:
        if (options.key or options.value) and len(options.events) != 1:
            raise faults.IngestError("--key and --value go with exactly one EVENT")
        code = _load_after_all(settings, connection, mine, options)
    if others or not (options.events or mine):
        code = _replay_refused(settings, options, others, arguments) or code
    elif not options.events and _refused_wait(settings, options.topic):
        code = _replay_refused(settings, options, [], arguments) or code
    return code


def _load_after_all(
    settings: Settings, connection, letters: list[Letter], options: Namespace
) -> int:
    """Has set aside events examined with the models as they are now, and says what becomes of each.

    Returns 1 where some stay set aside.
    """
    asked = []
    for letter in letters:
        if letter.resolution == "replayed":
            print(f"{letter.name}: already replayed")
            continue
        if options.key or options.value:
            _edit(settings, letter, options)
        with connection, connection.cursor() as cursor:
            set_aside.decide(cursor, [_event(letter)], "replayed")
        asked.append(letter)
    if not asked:
        return 0
    _examine(settings)
    stay = 0
    with connection, connection.cursor() as cursor:
        for letter in asked:
            resolution, reason, newer = set_aside.answer(cursor, _event(letter))
            if resolution == "replayed":
                print(
                    f"{letter.name}: can be loaded, and is by the next load: './airline dbt build'"
                )
                continue
            stay += 1
            if newer is not None:
                complain(
                    f"{letter.name}: stays set aside: its row is loaded as it was later (offset "
                    f"{newer}), so this is the past; 'discard' it, or './airline dbt build "
                    "--full-refresh' makes it history"
                )
            else:
                complain(f"{letter.name}: stays set aside: {reason}")
    return 1 if stay else 0


def _edit(settings: Settings, letter: Letter, options: Namespace) -> None:
    """Before the decision, and not in its transaction: raw is the ingester's role's. Ended in
    between, the event waits as it did, with its new content.
    """
    with (
        closing(psycopg2.connect(landing_dsn(settings))) as landing,
        landing,
        landing.cursor() as cursor,
    ):
        try:
            set_aside.edit(
                cursor,
                letter,
                options.key.read_bytes() if options.key else None,
                options.value.read_bytes() if options.value else None,
                config.read([]).book(),
            )
        except (psycopg2.Error, Unfit) as error:
            raise AirlineError(
                f"{letter.name}: it cannot be landed: {faults.first_line(error)}",
                "mend the file and replay again; nothing has changed",
            ) from error


def _examine(settings: Settings) -> None:
    if said := runner.complaint(settings, "run-operation", "examine_replays"):
        raise AirlineError(
            "dbt could not examine the events",
            "mend what it names, then replay again; the next load examines them as well",
            said,
        )


def _discard(settings: Settings, connection, known: list[Letter], options, arguments) -> int:
    mine, others = _split(known, options.events)
    for letter in mine:
        if letter.resolution is None:
            with connection, connection.cursor() as cursor:
                set_aside.decide(cursor, [_event(letter)], "discarded")
            print(f"{letter.name}: discarded")
        else:
            print(f"{letter.name}: already {letter.resolution}")
    return refused.main(["discard", *map(_name, others)], PROG) if others else 0


def _replay_refused(settings: Settings, options, others: list[Any], arguments) -> int:
    """The ingester's own replay, and what it means for the vault."""
    asked = arguments
    if others:
        asked = ["replay", *map(_name, others)]
        for name in ("key", "value"):
            if path := getattr(options, name):
                asked += [f"--{name}", str(path)]
    code = refused.main(asked, PROG)
    if late := too_late(settings):
        print(f"{late:,} replayed after load batches had passed their offsets: {advice(settings)}")
    return code


def _refused_wait(settings: Settings, topic: str | None) -> bool:
    with closing(psycopg2.connect(**config.read([]).dsn())) as landing:
        return any(
            each.resolution is None and refused.is_of(each, topic)
            for each in refused.all_letters(landing)
        )


def _split(known: list[Letter], events: list[refused.Event]) -> tuple[list[Letter], list[Any]]:
    """(those of the events that were set aside, the others)."""
    by_event = {_event(letter): letter for letter in known}
    mine = [by_event[event] for event in events if event in by_event]
    return mine, [event for event in events if event not in by_event]


def _event(letter: Letter) -> refused.Event:
    return letter.topic, letter.partition, letter.offset


def _name(event: refused.Event) -> str:
    return ":".join(map(str, event))


_VERBS = {"list": _list, "show": _show, "replay": _replay, "discard": _discard}


def advice(settings: Settings) -> str:
    """How replayed events that load batches had passed come into the vault."""
    [(removed,)] = Warehouse(settings).ask(
        "select to_regclass('staging.removed_event') is not null"
    )
    if removed:
        # A full refresh is refused there: it would lose what only the vault still knows.
        return "raw is not whole any more; './airline resync TABLE' brings their rows as they are"
    return "'./airline dbt build --full-refresh' brings them into the vault"


def counts(settings: Settings) -> tuple[int, int]:
    """(dead letters that wait for a decision, replayed ones that the vault has not read)."""
    [(waiting,)] = Warehouse(settings).ask(
        "select count(*) from staging.dead_letter where resolution is null"
    )
    return waiting, too_late(settings)


def too_late(settings: Settings) -> int:
    """Replayed events whose offsets no load batch has read since, though one has before.

    Batches go forward only: an event that lands behind them is read by a full refresh.
    """
    dwh = Warehouse(settings)
    [(made,)] = dwh.ask("select to_regclass('dwh_control.set_aside_event') is not null")
    if not made:
        return 0
    try:
        [(count,)] = dwh.ask("""
            select count(*)
            from (
                select letter.resolved_at, max(batch.opened_at) as read_at
                from staging.dead_letter as letter
                inner join dwh_control.load_batch_range as part
                    on letter.topic = part.topic
                    and letter.kafka_partition = part.kafka_partition
                    and letter.kafka_offset >= part.from_offset
                    and letter.kafka_offset < part.to_offset
                inner join dwh_control.load_batch as batch
                    on part.load_batch_id = batch.load_batch_id
                    and batch.outcome is distinct from 'superseded'
                where letter.resolution in ('replayed', 'edited')
                    -- set aside at loading, and edited: loads know of it
                    and not exists (
                        select from dwh_control.set_aside_event as known
                        where known.topic = letter.topic
                            and known.kafka_partition = letter.kafka_partition
                            and known.kafka_offset = letter.kafka_offset
                    )
                group by letter.topic, letter.kafka_partition, letter.kafka_offset,
                    letter.resolved_at
            ) as letter
            where read_at <= resolved_at
            """)
    except psycopg2.errors.UndefinedTable:
        # dbt has never run here: every event is still to be read.
        return 0
    return count

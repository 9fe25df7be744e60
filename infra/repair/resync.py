"""`resync`: makes source and vault equal again where the connector missed changes.

A fresh snapshot brings every row that there is now. What was deleted unseen is found by its
absence, and written into the topics as deletes, so that raw stays the whole history: a vault
rebuilt from raw is the same vault.

It is the repair as well where Kafka lost the end of a topic, or a topic became another one: landing
goes on behind what raw has (infra/kafka/lost_log.py), and the source's rows make up for the rest.

Every step can be repeated; the journal says where to go on after a kill.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Any

import psycopg2

import catalogue
from infra.connect import connector, signals, slot_gap
from infra.dbt import packages
from infra.errors import AirlineError
from infra.kafka import lost_log
from infra.kafka.broker import Broker
from infra.loading import catch_up, landing
from infra.parts import running
from infra.parts.registry import registry
from infra.repair import cut_transactions, missed_deletes, slot
from infra.repair.settlement import compare_all, settle
from infra.settings import Settings
from infra.source import capture, resync_due
from infra.stack import consent, home
from infra.stack.arguments import meant
from infra.stack.journal import Journal, refuse_unfinished
from infra.stack.progress import Progress, complain
from infra.warehouse import figures_dsn, incomplete_transactions

# Services that must do what they are asked before a resync begins.
NEEDED = ("primary", "dwh", "kafka", "connect")
# Has a load wait for no event of a transaction.
NO_PATIENCE = "{transaction_patience: 0 seconds}"


def resync(settings: Settings, table: str | None, *, yes: bool) -> int:
    """Reads `table` anew, or without one all tables from a new slot. Returns an exit code."""
    if table is not None and table not in catalogue.names():
        raise AirlineError(
            f"there is no table {table!r}",
            f"name one of {', '.join(catalogue.names())}{meant(table, catalogue.names())}",
        )
    progress = Progress()
    refuse_unfinished(settings, "failover")
    running.refuse_down(settings)
    packages.put_in_place(complain)
    with home.alone(settings, progress.say):
        journal = Journal(settings, "resync")
        told = journal.read()
        wanted = table if told is None else told["table"]
        if told is not None:
            _refuse_another(wanted, table)
        _refuse_what_would_fail(settings, wanted)
        if told is None:
            if table is not None:
                slot.refuse_lost(settings)
                _refuse_lost_log(settings)
            if not yes and not _is_wanted(settings, table):
                return 1
            told = journal.write(table=table, phase="begun")
        else:
            progress.say(f"going on with the resync of {_named(told['table'])}")
        told = _steps(settings, journal, told, progress)
        catch_up.land(settings, progress)
        landed = landing.landed_offsets(settings)
        catch_up.build(settings, progress, catch_up.VAULT)
        settle(settings, told, landed)
        journal.end()
    return compare_all(settings, progress)


def _steps(
    settings: Settings, journal: Journal, told: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Does what is left to do; returns what the journal says at the end."""
    if _is_slot_lost(settings, told):
        # Lost while nobody went on: what was read until then is history like any other.
        progress.say(f"the slot {connector.SLOT} is lost: all tables are read, from a new one")
        told = journal.write(table=None, phase="begun")
    elif (told["table"], told["phase"]) != (None, "begun") and lost_log.find(settings):
        progress.say("Kafka lost the end of a topic: all tables are read, from a new slot")
        told = journal.write(table=None, phase="begun")
    table: str | None = told["table"]
    tables = catalogue.names() if table is None else (table,)
    if told["phase"] != "begun" and any(
        missed_deletes.was_dropped(settings, name, _first(told["start"], name)) for name in tables
    ):
        progress.say("retention has dropped what was read: it is read anew")
        told = journal.write(table=table, phase="begun")
    if told["phase"] == "begun":
        with progress.step("snapshot"):
            told = _snapshot(settings, journal, told, progress)
    if told["phase"] == "snapshot":
        if table is None:
            connector.resume(settings)
            connector.wait_until_running(settings)
        progress.say("waiting until the snapshot has landed")
        catch_up.land(settings, progress)
        told = journal.write(**{**told, "phase": "deletes"})
    if told["phase"] == "deletes":
        with progress.step("missed deletes"):
            # Nothing may come between the question what is missing and the answer in the topic.
            connector.stop(settings)
            try:
                _write_deletes(settings, tables, told["start"], progress)
            except BaseException:
                # What is written is there whole or not at all, and asked for anew by the next
                # resync: changes need not wait for that.
                with suppress(AirlineError):
                    connector.resume(settings)
                raise
            connector.resume(settings)
            connector.wait_until_running(settings)
    return told


def _snapshot(
    settings: Settings, journal: Journal, told: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Has every row of the tables read anew, or begins it where all tables are."""
    table: str | None = told["table"]
    # What a later batch takes in part, its events may come after what is read now.
    load_batch = _newest_load_batch(settings)
    if table is not None:
        # Before a connector that was stopped goes on: then nothing shows any more.
        slot_gap.look(settings)
        connector.resume(settings)
        connector.wait_until_running(settings)
        start = _ends(settings)
        # What breaks from here on is noted anew.
        resync_due.forget(settings, [table])
        signals.snapshot(settings, [table], progress.say)
    else:
        connector.stop(settings)
        lost_log.make_missing_topics(settings)
        if lost_log.find(settings):
            told = journal.write(**{**told, "lost_log": True})
        lost_log.repair(settings, progress.say)
        connector.forget_position(settings)
        slot.drop(settings)
        progress.say(f"connector stopped, its slot {connector.SLOT} and its offsets dropped")
        _wait_until_staged(settings, progress)
        if cut := cut_transactions.end(settings):
            progress.say(f"{cut} transactions were cut off, and now end where the connector was")
            _wait_until_staged(settings, progress)
        if told.get("lost_log"):
            # Transactions may lack events that are in Kafka no more: nothing is on its way to wait
            # for, and the rows come with the snapshot.
            # A target folder of its own: with other variables all would be parsed anew, twice.
            target = str(settings.home / "dbt" / "impatient")
            options = ("--vars", NO_PATIENCE, "--target-path", target)
            catch_up.build(settings, progress, (*catch_up.VAULT, *options))
            load_batch = _newest_load_batch(settings)
        start = _ends(settings)
        slot_gap.forget(settings)
        resync_due.forget(settings, [resync_due.ALL, *catalogue.names()])
    return journal.write(table=table, phase="snapshot", start=start, load_batch=load_batch)


def _write_deletes(
    settings: Settings, tables: tuple[str, ...], start: dict[str, int], progress: Progress
) -> None:
    _wait_until_staged(settings, progress)
    for name in tables:
        first = _first(start, name)
        missed = missed_deletes.find(settings, name, first)
        if missed:
            missed_deletes.write(settings, name, first, missed)
            progress.say(f"{name}: {len(missed):,} rows were deleted unseen, and now are in raw")
    _wait_until_staged(settings, progress)


def _wait_until_staged(settings: Settings, progress: Progress) -> None:
    """Waits until what is in the topics now is in raw."""
    landing.wait_until_staged(settings, Broker(settings).end_offsets(settings.topics), progress.say)


def _ends(settings: Settings) -> dict[str, int]:
    """ "topic:partition" -> the offset from which on the topic's events are this resync's."""
    ends = Broker(settings).end_offsets(settings.topics)
    return {f"{topic}:{partition}": end for (topic, partition), end in ends.items()}


def _first(start: dict[str, int], table: str) -> dict[int, int]:
    """partition -> that offset, of a table's topic."""
    topic = catalogue.topic(table)
    return {
        int(key.rsplit(":", 1)[1]): offset
        for key, offset in start.items()
        if key.rsplit(":", 1)[0] == topic
    }


def _refuse_what_would_fail(settings: Settings, table: str | None) -> None:
    """Raises AirlineError for whatever keeps the tables from being read anew, before anything is
    stopped: a server that does not do what it is asked, the connector, the source's tables.
    """
    for service in registry(settings):
        if service.name in NEEDED and (problem := service.problem()):
            raise AirlineError(f"{service.name}: {problem}", "nothing was changed; mend that first")
    if connector.state(settings) is None:
        raise AirlineError(
            f"the connector {connector.NAME} is not registered, nothing was changed",
            "'./airline up' registers it, then resync again",
        )
    if others := connector.captures_otherwise(settings):
        raise AirlineError(
            f"the connector's configuration is not ours ({', '.join(others)}), nothing was changed",
            "'./airline up' sets it back, then resync again",
        )
    faults = [
        each
        for each in capture.faults(resync_due.look(settings))
        if each.blocks and (table is None or each.table in (None, table))
    ]
    if faults:
        raise AirlineError(
            "a fresh reading would miss changes again, nothing was changed: "
            + "; ".join(each.what for each in faults),
            f"{'; '.join(dict.fromkeys(each.remedy for each in faults))}; then resync again",
        )


def _refuse_another(begun: str | None, asked: str | None) -> None:
    """Without a table whatever was begun goes on; a table that is named must be that one."""
    if asked not in (None, begun):
        raise AirlineError(
            f"a resync of {_named(begun)} was begun and did not end",
            "'./airline resync' goes on with it"
            + (f", then './airline resync {asked}' is done" if begun else f", {asked} included"),
        )


def _named(table: str | None) -> str:
    return table or "all tables"


def _is_wanted(settings: Settings, table: str | None) -> bool:
    what = f"all rows of {table}" if table else "all rows of all tables, from a new slot"
    for lost in lost_log.find(settings):
        print(lost.reason)
    return consent.is_given(
        "resync",
        f"This reads {what}, and loads what differs. It takes about as long as the first 'up'.",
    )


def _is_slot_lost(settings: Settings, told: dict[str, Any]) -> bool:
    status = slot.status(settings)
    # Of all tables it is dropped first, and the connector makes it again before the deletes.
    may_be_missing = told["table"] is None and told["phase"] != "deletes"
    return status == "lost" or (status is None and not may_be_missing)


def _refuse_lost_log(settings: Settings) -> None:
    if lost := lost_log.find(settings):
        raise AirlineError(
            f"Kafka lost events of {', '.join(each.partition.topic for each in lost)}, and may have"
            " lost others' before they landed",
            "'./airline resync' without a table repairs the topics, and reads all tables",
        )


def _newest_load_batch(settings: Settings) -> int:
    with closing(psycopg2.connect(figures_dsn(settings))) as connection, connection.cursor() as ask:
        return incomplete_transactions.newest_load_batch(ask)

"""Faults at random moments under live traffic: nothing lost, nothing twice, vault = raw = source.

Short by default; `./airline test --long` does 200 faults. AIRLINE_TEST_SEED repeats a run.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from random import Random

import pytest

from infra.airflow.api import Api
from tests.e2e.faults import disk_faults, link_faults, power_faults
from tests.e2e.faults.faults import FAULTS, load_runs
from tests.e2e.faults.links import Links
from tests.e2e.faults.proof import prove
from tests.e2e.faults.scene import Scene
from tests.support.small_disk import why_not_mountable
from tests.support.traffic import Traffic

LONG = os.environ.get("AIRLINE_TEST_LONG") == "1"
FAULT_COUNT, FAULTS_A_ROUND = (200, 20) if LONG else (len(FAULTS), 7)
# A pattern of the faults' names: these, once each or as often as --long has faults.
ONLY = os.environ.get("AIRLINE_TEST_FAULTS")
# Changed rows a second at the source.
RATE = 600

pytestmark = pytest.mark.timeout(12 * 3600 if LONG else 3600)


@pytest.fixture
def links(stack):
    if LONG or ONLY:
        with Links(stack) as links:
            yield links
    else:
        yield None


def test_nothing_is_lost_or_doubled_whatever_breaks(stack, links, capsys):
    """A fault loses an event, doubles one, or makes the vault differ from the
    source or from what raw gives.
    """
    seed = int(os.environ.get("AIRLINE_TEST_SEED") or time.time())

    def say(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    scene = Scene(stack, Random(seed), LONG, links)
    faults = dict(FAULTS)
    if links is not None:
        faults |= link_faults.every_link(links.names()) | disk_faults.EVERY | power_faults.EVERY
    impossible = set() if scene.services("airflow-s") else {"scheduler killed"}
    if links is not None and (why := why_not_mountable()):
        say(f"no disk is filled: {why}")
        impossible |= disk_faults.EVERY.keys()
    names = [name for name in faults if name not in impossible]
    if ONLY:
        names = [name for name in names if re.search(ONLY, name)]
    count = FAULT_COUNT if LONG else len(names)

    say(f"\nfaults: {count}, seed {seed} (AIRLINE_TEST_SEED={seed} repeats the order)")
    begun = time.monotonic()
    planned = plan(names, count, scene.dice)
    done: Counter[str] = Counter()
    changes = rounds = events = lost = twice = skipped = differences = 0
    seconds = 0.0
    while planned:
        rounds += 1
        now, planned = planned[:FAULTS_A_ROUND], planned[FAULTS_A_ROUND:]
        traffic_since = time.monotonic()
        with Traffic(RATE, seed + rounds) as traffic:
            # It connects again to a primary that was killed; it does not begin without one.
            stack.wait(lambda: traffic.changes, "there is traffic")
            for name in now:
                time.sleep(scene.dice.uniform(0.5, 4))
                say(f"  {time.monotonic() - begun:6.0f} s  {name}")
                faults[name](scene)
                done[name] += 1
            recover(scene)
        changed = traffic.stop()
        changes += changed
        seconds += time.monotonic() - traffic_since
        assert changed, f"no traffic:\n{traffic.output}"
        proof = prove(stack)
        events = proof.events
        lost, twice = lost + proof.lost, twice + proof.twice
        skipped += proof.skipped
        differences += len(proof.differences)
        say(
            f"round {rounds}: {len(now)} faults, {changed:,} changes at the source, "
            f"{events:,} events in all, {proof.lost} lost, {proof.twice} twice, "
            f"{len(proof.differences)} differences, {proof.skipped} skipped by Debezium and "
            f"resynced, {time.monotonic() - begun:,.0f} s"
        )
        assert proof.holds, f"seed {seed}, round {rounds} ({', '.join(now)}):\n" + "\n".join(
            proof.differences
        )
    say(f"{rounds} rounds, {sum(done.values())} faults in {time.monotonic() - begun:,.0f} s:")
    for name in names:
        say(f"  {name:<20}{done[name]:>5}")
    say(
        f"{changes:,} changes at the source ({changes / seconds:,.0f} a second, with the primary's"
        f" outages), {events:,} events in all: "
        f"{lost} lost, {twice} twice, {differences} differences, "
        f"{skipped} skipped by Debezium and brought back by resync"
    )


def plan(names: list[str], count: int, dice: Random) -> list[str]:
    """`count` faults: every kind once before any comes again, in a random order."""
    planned: list[str] = []
    while len(planned) < count:
        planned += dice.sample(names, k=len(names))
    return planned[:count]


def recover(scene: Scene) -> None:
    """Waits until everything runs and answers again, by itself: nobody is there to help."""
    supervisor = scene.stack.supervisor
    scene.stack.wait(
        lambda: all(each.state == "RUNNING" for each in supervisor.states().values()),
        "every service runs",
    )
    scene.stack.wait_for_services()
    scene.wait_for_connector()
    if scene.services("airflow-api"):
        api = Api(scene.stack.settings)
        # Where a build was out of tries, seventy models are tried again one by one.
        scene.stack.wait(lambda: not load_runs(api), "Airflow's loads are over", 1800)

"""Persons are forgotten at random moments of traffic and kills: no byte of them is left.

Three by default; `./airline test --long` forgets fifty. AIRLINE_TEST_SEED repeats a run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest

from infra.settings import ROOT
from infra.subject import kafka_purge, look
from infra.subject.needles import Needles, identifiers
from tests.e2e.faults.proof import prove
from tests.e2e.faults.scene import Scene
from tests.e2e.faults.test_faults import recover
from tests.support.traffic import Traffic

LONG = os.environ.get("AIRLINE_TEST_LONG") == "1"
COUNT = 50 if LONG else 3
RATE = 200
# What is killed while somebody is being forgotten; "subject" is the command itself.
KILLED = ("subject", "kafka", "dwh", "connect", "ingest")
# How long one forgetting may take with all that is killed meanwhile, in seconds.
PATIENCE = 1200

pytestmark = pytest.mark.timeout(8 * 3600 if LONG else 3600)


@dataclass(frozen=True)
class Person:
    id: int
    document: str
    names: tuple[str, ...]
    contacts: tuple[str, ...]


def test_no_byte_of_whoever_was_forgotten_is_left(stack, capsys):
    """A file, a log, a compressed block or a cache still says who somebody was."""
    seed = int(os.environ.get("AIRLINE_TEST_SEED") or time.time())
    dice = Random(seed)
    scene = Scene(stack, dice, LONG, None)

    def say(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    stack.wait_until_landed()
    people = draw(stack, dice)
    assert len(people) == COUNT
    needles = spelled(stack, people)
    # The search can fail: they are in Kafka and in the warehouse now.
    there = {each.file.relative_to(stack.home).parts[1] for each in search(stack, needles)}
    assert {"kafka", "dwh"} <= there
    say(f"\nforgetting {COUNT} people, seed {seed} ({len(needles):,} spellings)")
    begun = time.monotonic()
    killed: Counter[str] = Counter()
    tries = 0
    with Traffic(RATE, seed) as traffic:
        stack.wait(lambda: traffic.changes, "there is traffic")
        for number, person in enumerate(people, 1):
            time.sleep(dice.uniform(0, 3))
            what = KILLED[(seed + number) % len(KILLED)]
            tries += forget(scene, person, number, what)
            killed[what] += 1
            say(f"  {time.monotonic() - begun:6.0f} s  {number} forgotten, {what} killed meanwhile")
        recover(scene)
    changes = traffic.stop()
    assert changes, f"no traffic:\n{traffic.output}"
    assert not stack.sql(
        "dwh",
        "select person from staging_pii.identity inner join staging_pii.forgotten using (person)",
    )
    # The traffic had people of the same names.
    needles = spelled(stack, people)
    # What the source has sent of them since, as Airflow does it daily.
    assert kafka_purge.again(stack.settings)
    left = search(stack, needles)
    assert not left, f"seed {seed}:\n" + "\n".join(each.told(stack.home) for each in left)
    proof = prove(stack)
    assert proof.holds, f"seed {seed}:\n" + "\n".join(proof.differences)
    # The proof loaded, built and compared: nothing of that wrote them anew.
    left = search(stack, needles)
    assert not left, f"seed {seed}:\n" + "\n".join(each.told(stack.home) for each in left)
    say(
        f"{COUNT} people forgotten in {time.monotonic() - begun:,.0f} s with {changes:,} changes at"
        f" the source, {tries} tries, killed: "
        + ", ".join(f"{name} {count}" for name, count in sorted(killed.items()))
        + f"; {len(needles):,} spellings in no byte below the home; {proof.events:,} events, "
        f"{proof.lost} lost, {proof.twice} twice, {len(proof.differences)} differences"
    )


def draw(stack, dice: Random) -> list[Person]:
    """People with contacts, as the source has them now."""
    rows = stack.sql(
        "primary",
        "select passenger_id, array_agg(distinct passenger_name),"
        " array_agg(distinct contact_data::text) from tickets"
        " where contact_data is not null group by passenger_id order by passenger_id",
    )
    return [
        Person(number, document, tuple(names), tuple(contacts))
        for number, (document, names, contacts) in enumerate(dice.sample(rows, k=COUNT), 1)
    ]


def spelled(stack, people: list[Person]) -> Needles:
    """All spellings of what the source had of these people, and nobody else in the book has or had:
    of a name that another person has as well nothing can be said.
    """
    others = (
        "select count(distinct person) < %s from staging_pii.identity"
        " where position(lower(%s) in lower(value)) > 0"
    )
    # Whoever is not forgotten yet is there, too.
    [(forgotten,)] = stack.sql("dwh", "select count(*) from staging_pii.forgotten")
    limit = 1 if forgotten else 2
    return Needles(
        [
            (kind, text)
            for person in people
            for kind, text in identifiers(person)
            if kind == "document" or stack.sql("dwh", others, limit, text) == [(True,)]
        ]
    )


def forget(scene: Scene, person: Person, number: int, what: str) -> int:
    """Forgets somebody while `what` is killed, and again until it is done: an act that is open goes
    on. Returns how many commands that took.
    """
    command = begin(person, number)
    time.sleep(scene.dice.uniform(0, 30))
    if what == "subject":
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
    else:
        scene.stack.kill(scene.dice.choice(scene.stack.wait(lambda: scene.services(what), what)))
    tries, deadline = 1, time.monotonic() + PATIENCE
    while True:
        said = command.stdout.read()
        if command.wait() == 0:
            return tries
        assert time.monotonic() < deadline, f"person {person.id} is not forgotten:\n{said}"
        time.sleep(2)
        command = begin(person, number)
        tries += 1


def begin(person: Person, number: int) -> subprocess.Popen[str]:
    command = subprocess.Popen(
        ["./airline", "subject", "forget", "-", "--reason", f"request {number}", "--yes"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    command.stdin.write(f"{person.document}\n")
    command.stdin.close()
    return command


def search(stack, needles: Needles) -> list[look.Found]:
    report = look.search(stack.settings, needles)
    assert report.not_opened == []
    return report.found

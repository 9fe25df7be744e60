"""What a person does about dead letters: `python -m ingest dead-letters`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest

from tests.support.schemas import faults

GOOD = (b'{"id": 1}', b'{"n": 1}')
BAD = (b'{"id": 2}', b"no json \xff")
ALSO_BAD = (b"no json either", None)


@pytest.fixture
def letters(pipeline):
    """Two dead letters between good events, of a stopped ingester."""
    pipeline.produce("flights", [GOOD, BAD, GOOD, ALSO_BAD, GOOD])
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    assert ingester.terminate() == 0
    return pipeline


def run(pipeline, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "ingest", "dead-letters", *arguments],
        env={**os.environ, **pipeline.env},
        capture_output=True,
    )
    if check:
        assert done.returncode == 0, done.stderr.decode()
    return done


def listed(pipeline, *arguments: str) -> list[dict]:
    found = json.loads(run(pipeline, "list", "--json", *arguments).stdout)
    assert faults("dead-letters-list", found) == []
    return found


def name(pipeline, offset: int) -> str:
    return f"{pipeline.topic('flights')}:0:{offset}"


def offsets(pipeline) -> list[int]:
    return [offset for _, offset, *_ in pipeline.landed("flights")]


def test_they_are_listed_and_shown_with_their_bytes(letters):
    """A person could not find out what was refused, or would see other bytes than Kafka's."""
    first, second = listed(letters)
    assert (first["event"], second["event"]) == (name(letters, 1), name(letters, 3))
    assert (first["key_bytes"], first["value_bytes"]) == (len(BAD[0]), len(BAD[1]))
    assert second["value_bytes"] is None
    table = run(letters).stdout.decode()
    assert name(letters, 1) in table and first["error"] in table
    shown = run(letters, "show", name(letters, 1)).stdout.decode()
    assert BAD[1].hex(" ") in shown and "no json ." in shown
    assert run(letters, "show", name(letters, 1), "--raw", "value").stdout == BAD[1]
    assert listed(letters, "--topic", "flights") == [first, second]
    assert listed(letters, "--topic", "seats") == []


def test_what_is_still_refused_stays(letters):
    """An event would be lost in a replay that fails."""
    done = run(letters, "replay", check=False)
    assert done.returncode == 1
    assert b"refused again" in done.stderr and b"--value FILE" in done.stderr
    assert len(listed(letters)) == 2
    assert offsets(letters) == [0, 2, 4]


def test_an_edited_event_lands_once_in_its_own_place(letters, tmp_path):
    """A mended event would land under another offset, twice, or with the wrong content."""
    mended = tmp_path / "value"
    mended.write_bytes(b'{"n": 2}')
    run(letters, "replay", name(letters, 1), "--value", str(mended))
    again = run(letters, "replay", name(letters, 1), "--value", str(mended))
    assert b"already edited" in again.stdout
    rows = letters.sql(
        "SELECT landed.kafka_partition, landed.key, landed.value,"
        " landed.kafka_timestamp = letter.kafka_timestamp, resolution"
        " FROM staging.flights landed JOIN staging.dead_letter letter USING (kafka_offset)"
    )
    assert rows == [(0, {"id": 2}, {"n": 2}, True, "edited")]
    assert offsets(letters) == [0, 1, 2, 4]
    assert [each["event"] for each in listed(letters)] == [name(letters, 3)]
    # What came from Kafka is kept.
    assert run(letters, "show", name(letters, 1), "--raw", "value").stdout == BAD[1]


def test_replays_at_once_land_an_event_once(letters):
    """Two people who replay at the same time would land an event twice, or one see a riddle."""
    letters.sql("UPDATE staging.dead_letter SET key = %s, value = %s", *map(memoryview, GOOD))
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(run(letters, "replay"))) for _ in range(3)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(done) == 3
    assert offsets(letters) == [0, 1, 2, 3, 4]
    assert listed(letters) == []
    assert {each["resolution"] for each in listed(letters, "--all")} == {"replayed"}


def test_a_discarded_event_waits_for_nobody(letters):
    """An event that a person gave up would stand in every report for ever, or come back."""
    run(letters, "discard", name(letters, 3))
    assert [each["event"] for each in listed(letters)] == [name(letters, 1)]
    run(letters, "replay", check=False)
    assert offsets(letters) == [0, 2, 4]
    assert [each["resolution"] for each in listed(letters, "--all")] == [None, "discarded"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "flights:0:999"], 1, "is no dead letter"),
        (["replay", "flights"], 2, "TOPIC:PARTITION:OFFSET"),
        (["replay", "--value", "/dev/null"], 1, "exactly one EVENT"),
        (["show", "flights:0:1", "--raw", "header"], 2, "invalid choice"),
    ],
)
def test_wrong_usage_is_said(letters, arguments, code, said):
    """A mistyped command would do something else, or end in a traceback."""
    done = run(letters, *arguments, check=False)
    assert done.returncode == code
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()

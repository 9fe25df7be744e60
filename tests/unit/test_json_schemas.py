"""What the verbs print for programs is what its schema says."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from infra.audit.results import TableResult
from infra.cli import mend, topics, verbs, version
from infra.cli.verbs import VERBS
from infra.errors import AirlineError
from infra.evolve import plan
from infra.evolve.differences import Difference
from infra.health import checks, screen
from infra.health.finding import Finding
from infra.kafka.broker import Log
from infra.settings import ROOT, Settings
from ingest.dead_letters import Letter
from tests.support.schemas import FOLDER, faults, validator

NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))


def reporting(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """What takes --json: a verb, or a verb's own verbs (dead-letters-list)."""
    for action in parser._actions:
        if "--json" in action.option_strings:
            yield name
        if isinstance(action, argparse._SubParsersAction):
            for each, own in action.choices.items():
                yield from reporting(f"{name}-{each}", own)


def test_whatever_prints_json_has_a_schema():
    """A program has to guess the fields of a verb, or a schema is of nothing."""
    found = [
        each
        for name, verb in VERBS.items()
        if not verb.of
        for each in reporting(name, verbs.parser_of(name))
    ]
    assert sorted(found) == NAMES


def test_the_page_names_every_schema():
    """Nobody finds the schema of a verb."""
    page = (ROOT / "docs" / "json.md").read_text()
    assert sorted(re.findall(r"schemas/([\w-]+)\.json\)", page)) == NAMES


def described(schema: dict, path: str = "") -> Iterator[str]:
    """Fields that no sentence describes."""
    if "description" not in schema:
        yield path or "the whole"
    for name, each in schema.get("properties", {}).items():
        yield from described(each, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from described(schema[key], f"{path}[]")


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_described(name):
    """A program's author reads the code to learn what a number counts."""
    assert list(described(validator(name).schema)) == []


def test_status_is_as_its_schema_says(tmp_path):
    """A program that watches a stack stops reading where nothing of it runs."""
    settings = dataclasses.replace(Settings.from_environment({}), home=tmp_path)
    services, findings = checks.examine(settings)
    assert services and findings
    told = json.loads(screen.document(settings, services, findings))
    assert faults("status", told) == []
    running = dict(state="RUNNING", pid=1, uptime=5.5, restarts=0, port=5432, last_error="")
    told = json.loads(
        screen.document(settings, [Finding("primary", values=running)], [Finding("slot", "fine")])
    )
    assert faults("status", told) == [] and told["healthy"]


def test_the_audits_tables_are_as_its_schema_says():
    """A count that the audit prints is in no schema, or one of the schema is not printed."""
    result = TableResult("seats", ["aircraft_code", "seat_no"], missing=1, named=["missing: A, 1"])
    told = {
        "differences": 1,
        "findings": ["the slot is lost"],
        "unloaded_tables": [],
        "pending_events": 0,
        "settled": 0,
        "tables": [vars(result)],
    }
    assert faults("audit", json.loads(json.dumps(told))) == []


@pytest.mark.parametrize("resolution", [None, "replayed", "edited", "discarded"])
def test_dead_letters_are_as_their_schemas_say(resolution):
    """A program cannot tell which events wait, or decode their bytes."""
    now = datetime.now(UTC)
    decided = resolution and now
    for key, value, at in ((None, b"x", -1), (b"k", None, 1)):
        letter = Letter("t", 0, 7, at, key, value, "refused", now, resolution, decided)
        assert faults("dead-letters-list", [letter.as_json(content=False)]) == []
        assert faults("dead-letters-show", letter.as_json(content=True)) == []
    assert faults("dead-letters-list", [letter.as_json(content=True)]) != []


def test_the_plan_of_evolve_is_as_its_schema_says():
    """A program that asks before a release cannot tell what is left for a person."""
    found = [
        Difference("added", "seats", "pitch", "text", "keep it", "evolve", writes=True),
        Difference("table gone", "seats", "", "no such table", "stop", "make it"),
        Difference("new table", "menus", "", "not modelled", "go on", "nothing", settled=True),
    ]
    told = json.loads(plan.document(found))
    assert faults("evolve", told) == []
    assert (told["to_write"], told["to_do"]) == (1, 1)
    assert told["differences"][1]["column"] is None


def test_json_of_a_plan_writes_nothing():
    """A program that asks for the plan changes the project's files."""
    with pytest.raises(AirlineError, match="leave --apply out"):
        mend.evolve(Settings.from_environment({}), SimpleNamespace(json=True, apply=True))


def test_the_version_is_as_its_schema_says(monkeypatch, capsys):
    """A report of a fault does not name what it is of, or fails where there is no git."""
    settings = Settings.from_environment({})
    for path in (None, ""):
        if path is not None:
            monkeypatch.setenv("PATH", path)
        assert version.version(settings, SimpleNamespace(json=True)) == 0
        told = json.loads(capsys.readouterr().out)
        assert faults("version", told) == []
        assert version.version(settings, SimpleNamespace(json=False)) == 0
        assert f"airline {told['version']}" in capsys.readouterr().out
    assert told["commit"] is None


LOGS = [
    Log("airline.public.seats", 1, 0, 10, 2048),
    Log("airline.public.seats", 0, 5, 20, 4096),
    Log("airline-connect-offsets", 0, 0, 3, 100),
]
LANDED = {("airline.public.seats", 0): 15, ("airline.public.seats", 1): 10}


def test_topics_are_as_their_schema_says(monkeypatch, capsys):
    """A program, or a person, is told of another lag than there is."""
    broker = SimpleNamespace(answers=lambda: True, logs=lambda: LOGS)
    monkeypatch.setattr(topics, "Broker", lambda _: broker)
    monkeypatch.setattr(topics, "landed_offsets", lambda _: LANDED)
    settings = Settings.from_environment({})
    assert topics.topics(settings, SimpleNamespace(json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert faults("topics", told) == []
    seen = [(each["topic"], each["partition"], each["landed"], each["lag"]) for each in told]
    assert seen == [
        ("airline-connect-offsets", 0, None, None),
        ("airline.public.seats", 0, 15, 5),
        ("airline.public.seats", 1, 10, 0),
    ]
    assert topics.topics(settings, SimpleNamespace(json=False)) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()][2] == [
        *("airline.public.seats", "0", "5", "20", "15", "5", "4", "kB")
    ]


def test_topics_without_kafka_say_what_to_do(tmp_path):
    """A stack that does not run answers by a traceback of Kafka's."""
    settings = dataclasses.replace(Settings.from_environment({}), home=tmp_path, kafka_port=1)
    with pytest.raises(AirlineError, match="airline up"):
        topics.topics(settings, SimpleNamespace(json=True))

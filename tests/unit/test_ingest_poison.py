"""Bisecting, and which errors it is for."""

from __future__ import annotations

import random

import psycopg2
import pytest

from ingest import faults, poison


def bisected(count: int, bad: set[int]) -> tuple[list[int], list[int], int]:
    """(applied, refused, attempts) of bisecting `count` numbers of which `bad` are refused."""
    applied: list[int] = []
    refused: list[poison.Refused] = []
    attempts = 0

    def attempt(part):
        nonlocal attempts
        attempts += 1
        if bad.intersection(part):
            return f"bad: {sorted(bad.intersection(part))}"
        applied.extend(part)
        return None

    poison.bisect(range(count), attempt, refused)
    assert all(error == f"bad: [{number}]" for number, error in refused)
    return applied, [number for number, _ in refused], attempts


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_exactly_the_bad_ones_are_refused(count, share):
    """A good event would be lost, doubled or out of order, or a bad one land."""
    chance = random.Random(count)
    bad = {n for n in range(count) if chance.random() < share}
    applied, refused, _ = bisected(count, bad)
    assert applied == [n for n in range(count) if n not in bad]
    assert refused == sorted(bad)


def test_one_bad_event_costs_a_logarithm_of_attempts():
    """One bad event would cost an attempt for each of its neighbours."""
    assert bisected(16_384, {5_000})[2] == 1 + 2 * 14


def error(code: str | None, kind=psycopg2.OperationalError) -> psycopg2.Error:
    failure = kind("text")
    failure.__setstate__({"pgcode": code})
    return failure


@pytest.mark.parametrize(
    ("code", "event", "passing"),
    [
        ("22P02", True, False),  # invalid JSON
        ("22P05", True, False),  # \u0000
        ("22021", True, False),  # bad UTF-8
        ("54001", True, False),  # nested too deep
        ("54000", True, False),  # a string too long for jsonb
        ("42501", False, False),  # no right
        ("42P01", False, False),  # no such table
        ("23505", False, False),  # this offset has landed already
        ("53100", False, True),  # disk full
        ("53300", False, True),  # too many connections
        ("57P01", False, True),  # shut down
        ("57P03", False, True),  # starting up
        ("40P01", False, True),  # deadlock
        ("08006", False, True),  # connection lost
    ],
)
def test_whose_fault_an_error_is(code, event, passing):
    """A full disk would make dead letters, or a bad event be tried for ever."""
    assert faults.is_event_fault(error(code)) is event
    assert faults.is_passing(error(code)) is passing


@pytest.mark.parametrize(
    ("text", "passing"),
    [
        ("connection refused", True),
        ("server closed the connection unexpectedly", True),
        ('FATAL:  password authentication failed for user "airline_ingest"', False),
        ('FATAL:  database "airline_tickets_dwh" does not exist', False),
        ("FATAL:  the database system is starting up", True),
    ],
)
def test_a_refused_connection_is_not_tried_for_ever(text, passing):
    """A wrong password would be tried for ever, or an outage end the ingester."""
    assert faults.is_passing(psycopg2.OperationalError(text)) is passing


def test_an_error_is_told_without_the_event():
    """Payloads, which hold personal data, would get into the logs."""
    text = 'invalid input syntax for type json\nDETAIL:  Token "Ivanov" is invalid.\nCONTEXT:  x'
    assert faults.first_line(psycopg2.Error(text)) == "invalid input syntax for type json"

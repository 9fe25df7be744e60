"""What a dead letter shows of a person: nothing, unless somebody asks for it."""

from __future__ import annotations

import json

import pytest

import catalogue
from ingest.personal import masked

TICKETS = catalogue.topic("tickets")
PERSON = {
    "passenger_id": "1234 567890",
    "passenger_name": 'ANNA "ANYA" О\'NEIL \\ Ё',
    "contact_data": json.dumps({"phone": "+70005550001", "email": "anna@example.org"}),
}
SECRETS = ("567890", "ANNA", "NEIL", "70005550001", "example.org")
EVENT = json.dumps({"before": None, "after": {"ticket_no": "0001", **PERSON, "book_ref": "R1"}})


@pytest.mark.parametrize("ascii_only", [True, False])
def test_marked_members_are_hidden_and_nothing_else(ascii_only):
    """A name is on the screen of whoever looks at a dead letter; or its reason cannot be seen."""
    content = json.dumps(json.loads(EVENT), ensure_ascii=ascii_only).encode()
    shown = masked(content, TICKETS)
    assert len(shown) == len(content)
    assert not [secret for secret in SECRETS if secret.encode() in shown]
    for kept in ('"ticket_no": "0001"', '"book_ref": "R1"', '"passenger_name": *'):
        assert kept.encode() in shown


def test_an_event_cut_anywhere_shows_nobody():
    """Half of an event is no JSON, and its names are shown."""
    content = EVENT.encode()
    for end in range(len(content)):
        shown = masked(content[:end], TICKETS)
        assert len(shown) == end
        assert not [secret for secret in SECRETS if secret.encode() in shown], content[:end]


@pytest.mark.parametrize("value", ["17", "null", '{"a": 1}', '"\\u0000"', '"'])
def test_a_value_of_another_kind_is_hidden_too(value):
    """What a column should not have is shown."""
    shown = masked(f'{{"passenger_name": {value}, "book_ref": "R1"}}'.encode(), TICKETS)
    assert b'"passenger_name": *' in shown


def test_events_of_others_are_shown_as_they_are():
    """Whoever mends an event of a flight sees stars."""
    for topic in (catalogue.topic("flights"), catalogue.topic("transaction"), "another.topic"):
        assert masked(EVENT.encode(), topic) == EVENT.encode()


def test_a_value_of_several_parts_is_hidden_as_a_whole():
    """Of contacts that come as an object the telephone is hidden, and the address is not."""
    for value in (b'{"phone": "+7000", "email": "a@b.c"}', b'["+7000", "a@b.c"]', b'{"x": {"y": 1'):
        whole = b'{"after": {"ticket_no": "1", "contact_data": ' + value + b', "y": 2}}'
        shown = masked(whole, TICKETS)
        assert shown.startswith(b'{"after": {"ticket_no": "1", "contact_data": **')
        assert len(shown) == len(whole) and b"a@b.c" not in shown and b"+7000" not in shown

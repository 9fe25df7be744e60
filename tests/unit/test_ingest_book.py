"""What the book of persons asks of tables and events; what it writes is tested on a server."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

import catalogue
from ingest.book import UNAVAILABLE, Book, blurred, fingerprint, unsupported

TICKETS = catalogue.tables()["tickets"]


def test_the_projects_own_marks_can_be_kept():
    """Nothing would land: the ingester refuses what it cannot keep out of raw."""
    assert [unsupported(each) for each in catalogue.tables().values() if each.personal] == [""]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"person": None}, "whose values they are not"),
        ({"person": "book_ref"}, "whose values they are not"),
        ({"key": ("passenger_id",)}, "passenger_id in its key"),
        ({"modelled": TICKETS.modelled | {"passenger_name": "date"}}, "a type other than"),
        ({"person": "contact_data"}, "no text in contact_data"),
    ],
)
def test_marks_that_landing_cannot_follow_are_refused(changes, why):
    """A value would land in the clear where its table says that it does not."""
    assert why in unsupported(replace(TICKETS, **changes))


def test_what_landed_is_known_again_in_the_topic():
    """A log that lost its end would be compared with tokens, and every event be written again."""
    came = {
        "op": "u",
        "source": {"lsn": 5},
        "before": {"ticket_no": "1", "passenger_name": ""},
        "after": {
            "ticket_no": "1",
            "passenger_id": "1234",
            "passenger_name": UNAVAILABLE,
            "contact_data": None,
        },
    }
    landed = copy.deepcopy(came)
    landed["after"]["passenger_id"] = "~" + "0" * 32
    other = copy.deepcopy(landed)
    other["source"]["lsn"] = 6
    nothing = copy.deepcopy(landed)
    nothing["after"]["passenger_id"] = None
    same = blurred(TICKETS, came)
    assert same == blurred(TICKETS, landed)
    assert same != blurred(TICKETS, other)
    assert same != blurred(TICKETS, nothing)
    assert blurred(TICKETS, [1]) == [1] and blurred(None, {"a": 1}) == {"a": 1}


def test_nobody_is_found_without_the_key():
    """A lookup would be a hash that whoever tries all documents finds."""
    one, other = Book("a key"), Book("another")
    assert one.lookup("passenger_id", "1234") == Book("a key").lookup("passenger_id", "1234")
    assert one.lookup("passenger_id", "1234") != other.lookup("passenger_id", "1234")
    assert one.lookup("passenger_name", "A", "~1") != one.lookup("passenger_name", "A", "~2")
    assert fingerprint("a") != fingerprint("b")

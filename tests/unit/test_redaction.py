"""Errors of several lines, without the rows that they are about."""

from __future__ import annotations

import pytest

from infra.stack.redaction import redacted_lines


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "Database Error in model legs (models/legs.sql)\n"
            '  could not create unique index "legs_key"\n'
            "  DETAIL:  Key (passenger_id)=(8149 604011) is duplicated.\n"
            "  compiled code at target/run/legs.sql",
            "Database Error in model legs (models/legs.sql)\n"
            '  could not create unique index "legs_key"\n'
            "  DETAIL:  Key (passenger_id)=(…) is duplicated.\n"
            "  compiled code at target/run/legs.sql",
        ),
        (
            "  DETAIL:  Key (id, name)=(1, Rowan (x)\n  Petrel) already exists.\n  HINT:  See.",
            "  DETAIL:  Key (id, name)=(…) already exists.\n  HINT:  See.",
        ),
        (
            '  DETAIL:  Key (id)=(7) is not present in table "people".',
            '  DETAIL:  Key (id)=(…) is not present in table "people".',
        ),
        ("  DETAIL:  Failing row contains (1, Rowan,\n  Petrel).\nend", "  DETAIL:  …"),
        (
            'invalid input syntax for type integer: "Rowan "Ro" Petrel"\n  LINE 2: where x',
            'invalid input syntax for type integer: "…"\n  LINE 2: where x',
        ),
        (
            'invalid input syntax for type json: "Rowan\nPetrel"',
            'invalid input syntax for type json: "…"',
        ),
        ('value "Rowan" is out of range', 'value "…" is out of range'),
        (
            'null value in column "fare" of relation "legs" violates not-null constraint',
            'null value in column "fare" of relation "legs" violates not-null constraint',
        ),
        (
            'LINE 7: select \'Rowan\'::int from "dwh"."legs"\n               ^',
            'LINE 7: select \'…\'::int from "dwh"."legs"\n               ^',
        ),
        (
            "CONTEXT:  unnamed portal parameter $1 = 'Rowan'",
            "CONTEXT:  unnamed portal parameter $1 = '…'",
        ),
        (
            "1 of 36 ERROR creating sql table model dwh.legs",
            "1 of 36 ERROR creating sql table model dwh.legs",
        ),
    ],
)
def test_names_stay_and_values_go(said, shown):
    """A passenger is in a log, or the log does not say what failed."""
    assert redacted_lines(said) == shown

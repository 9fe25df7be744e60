"""What is too large for a message, through the real connector."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(1800)


def test_a_row_above_the_limit_stops_cdc_with_advice_and_lands_once_it_is_followed(stack):
    """A row too large for a message is skipped, or nobody says what to do."""
    stack.commit(
        "insert into bookings values ('TOOBIG', '2026-01-01', 0)",
        "insert into tickets values ('9999999999999', 'TOOBIG', 'P', 'Large',"
        " jsonb_build_object('long', repeat('0123456789', 2000000)))",
    )
    try:
        stack.wait(
            lambda: "AIRLINE_MESSAGE_MB" in stack.airline("status", check=False).stdout,
            "status says what to do",
        )
        stack.up(AIRLINE_MESSAGE_MB="32")
        stack.assert_audit_clean()
        assert stack.sql(
            "dwh",
            "select length(book.value::jsonb ->> 'long') from dwh_business.current_tickets"
            " inner join staging_pii.identity as book on book.token = contact_data #>> '{}'"
            " where ticket_no = '9999999999999'",
        ) == [(20_000_000,)]
    finally:
        stack.commit(
            "delete from tickets where book_ref = 'TOOBIG'",
            "delete from bookings where book_ref = 'TOOBIG'",
        )
        # The delete has the whole row with it, and needs the large message once more.
        stack.assert_audit_clean()
        stack.up()
    stack.assert_audit_clean()

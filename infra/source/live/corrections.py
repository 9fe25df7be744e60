"""Corrections of names, contacts and keys."""

from __future__ import annotations

from infra.source.live.bookings import new_passenger
from infra.source.live.session import Session, Taken
from infra.source.people import contact, family_name, full_name

_FOLLOWERS_OF_TICKET = (
    "SELECT (SELECT count(*) FROM ticket_flights WHERE ticket_no = %s)"
    " + (SELECT count(*) FROM boarding_passes WHERE ticket_no = %s)"
)


def rename(s: Session) -> None:
    """A name is corrected, on one ticket or on all of the passenger: a letter, the case, or a new
    family name.
    """
    ticket = s.ticket()
    if ticket is None:
        return
    passenger, name = s.row(
        "SELECT passenger_id, passenger_name FROM tickets WHERE ticket_no = %s", ticket
    )
    kind = s.rng.random()
    if kind < 0.3:
        new = name.title() if name.isupper() else name.upper()
    elif kind < 0.6 and " " in name:
        writing = "Cyrillic" if any("Ѐ" <= letter <= "ӿ" for letter in name) else "Latin"
        new = f"{name.split(' ', 1)[0]} {family_name(s.rng, writing)}"
    elif kind < 0.8:
        new = full_name(s.rng, "Latin", family_name(s.rng, "Latin"))
    else:
        at = int(s.rng.random() * len(name))
        new = name[:at] + name[at : at + 1] + name[at:]
    column, key = ("ticket_no", ticket) if s.chance(0.5) else ("passenger_id", passenger)
    s.change(
        f"UPDATE tickets SET passenger_name = %s WHERE {column} = %s AND passenger_name <> %s",
        new,
        key,
        new,
    )


def change_contact(s: Session) -> None:
    """A ticket's contact is added, changed or removed."""
    ticket = s.ticket()
    if ticket is not None:
        new = contact(s.rng, int(s.rng.random() * 1e6))
        s.change(
            "UPDATE tickets SET contact_data = %s WHERE ticket_no = %s"
            " AND contact_data IS DISTINCT FROM %s",
            new,
            ticket,
            new,
        )


def correct_book_ref(s: Session) -> None:
    """A booking gets another reference; its tickets follow."""
    ticket = s.ticket()
    if ticket is None:
        return
    (ref,) = s.row("SELECT book_ref FROM tickets WHERE ticket_no = %s", ticket)
    (followers,) = s.row("SELECT count(*) FROM tickets WHERE book_ref = %s", ref)
    s.change("UPDATE bookings SET book_ref = %s WHERE book_ref = %s", s.new_book_ref(), ref)
    s.changes += followers


def correct_ticket_no(s: Session) -> None:
    """A ticket gets another number; its segments and boarding passes follow."""
    ticket = s.ticket()
    if ticket is None:
        return
    (followers,) = s.row(_FOLLOWERS_OF_TICKET, ticket, ticket)
    new = s.new_ticket_no()
    if not s.change(
        "UPDATE tickets SET ticket_no = %s WHERE ticket_no = %s"
        " AND NOT EXISTS (SELECT FROM tickets WHERE ticket_no = %s)",
        new,
        ticket,
        new,
    ):
        raise Taken(f"tickets has a row of the same key as {new}, or {ticket} no more")
    s.changes += followers


def correct_passenger(s: Session) -> None:
    """A document number was wrong: all tickets of the passenger get another one."""
    ticket = s.ticket()
    if ticket is None:
        return
    (wrong,) = s.row("SELECT passenger_id FROM tickets WHERE ticket_no = %s", ticket)
    country = wrong.split(" ", 1)[0]
    _, right = new_passenger(s, country)
    s.change("UPDATE tickets SET passenger_id = %s WHERE passenger_id = %s", right, wrong)

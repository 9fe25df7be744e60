"""Every mart equals what plain Python makes of the same source, row by row, after changes too."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support import marts_reference as reference
from tests.support.events import airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(3600)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN_DATE = NOW.date()


class Marts:
    """A warehouse whose marts stand at `now`, and the reference over the same rows."""

    def __init__(self, warehouse: Warehouse, now: datetime) -> None:
        self.warehouse = warehouse
        self.now = now

    def build(self) -> None:
        """Builds seeds, marts and snapshot as of `now`, with all their unit and data tests."""
        done = self.warehouse.dbt(
            "build", "--selector", "marts", "--vars", f"{{now: '{self.now.isoformat()}'}}"
        )
        assert done.success, messages(done)

    @property
    def source(self) -> reference.Source:
        return reference.Source(self.warehouse.source.rows)

    def table(self, query: str, keys: int) -> dict:
        """Rows of `query`: the first `keys` columns -> the tuple of the others."""
        rows = self.warehouse.rows(query)
        found = {row[0] if keys == 1 else row[:keys]: row[keys:] for row in rows}
        assert len(found) == len(rows), f"a key is there twice: {query}"
        return found


@pytest.fixture(scope="module")
def marts(postgres_server, tmp_path_factory) -> Marts:
    """A small network over 14 months, changed after its first load."""
    warehouse = Warehouse(postgres_server, "marts_figures", tmp_path_factory.mktemp("dbt"))
    made = Marts(warehouse, NOW)
    first_load(warehouse)
    warehouse.load()
    made.build()
    changes(warehouse)
    warehouse.load()
    made.build()
    return made


def first_load(warehouse: Warehouse) -> None:
    """Flights at every edge of the windows, passengers of every group, an idle airport."""
    dice = random.Random(20260301)
    source = warehouse.source
    codes = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"]
    source.snapshot("airports", *[airport(code) for code in [*codes, "ZZZ"]])

    year_ago = NOW.replace(year=2025, hour=0)
    edges = [NOW - timedelta(days=30), NOW, year_ago, NOW.replace(hour=0)]
    moments = [edge + timedelta(seconds=step) for edge in edges for step in (-1, 0, 1)]
    moments += [NOW - timedelta(minutes=dice.randrange(31 * 1440)) for _ in range(200)]
    moments += [NOW - timedelta(minutes=dice.randrange(430 * 1440)) for _ in range(150)]
    moments += [NOW + timedelta(minutes=dice.randrange(20 * 1440)) for _ in range(30)]
    for number, moment in enumerate(moments, start=1):
        origin, target = dice.sample(codes, 2)
        if moment > NOW:
            status = dice.choice(["Scheduled", "On Time", "Delayed", "Cancelled"])
        else:
            status = dice.choices(["Arrived", "Departed", "Cancelled", "Delayed"], [16, 3, 2, 1])[0]
        late = None
        if status in ("Arrived", "Departed") and number > 12 and dice.random() < 0.8:
            late = text(moment + timedelta(minutes=dice.choice([-5, 0, 7, 45, 400])))
        source.snapshot(
            "flights",
            flight(
                number,
                scheduled_departure=text(moment),
                departure_airport=origin,
                arrival_airport=target,
                status=status,
                actual_departure=late,
            ),
        )

    # Passenger P00 flies on nearly every flight, P59 hardly ever.
    for number in range(1, 900):
        person = min(int(dice.expovariate(0.08)), 59)
        reference_no = f"B{number // 2:05}"
        if number % 2 == 0 or number == 1:
            book_date = text(year_ago + timedelta(hours=number))
            source.snapshot("bookings", booking(reference_no, book_date=book_date))
        ticket_no = f"{number:013}"
        source.snapshot(
            "tickets",
            ticket(
                ticket_no,
                book_ref=reference_no,
                passenger_id=f"P{person:02}",
                passenger_name=f"name of ticket {number}",
            ),
        )
        # few different fares, so that purchases tie
        for flight_no in dice.sample(range(1, len(moments) + 1), dice.choice([1, 1, 2, 3])):
            fare = dice.choice(["0.00", "33.33", "100.00", "250.50"])
            source.snapshot("ticket_flights", segment(ticket_no, flight_no, amount=fare))


def changes(warehouse: Warehouse) -> None:
    """What happens to rows that the marts have shown: cancelled, deleted, moved, renamed."""
    source = warehouse.source
    flights = list(source.rows["flights"].values())
    window = [row for row in flights if row["status"] == "Arrived"][20:60]
    for row in window[:5]:
        source.commit(("u", "flights", row | {"status": "Cancelled"}))
    for row in window[5:10]:
        moved = datetime.fromisoformat(row["scheduled_departure"]) - timedelta(days=2)
        source.commit(
            ("u", "flights", row | {"scheduled_departure": text(moved), "actual_departure": None})
        )
    for row in window[10:15]:
        swapped = {
            "departure_airport": row["arrival_airport"],
            "arrival_airport": row["departure_airport"],
        }
        source.commit(("u", "flights", row | swapped))
    for row in window[15:18]:
        on_board = [
            one
            for one in source.rows["ticket_flights"].values()
            if one["flight_id"] == row["flight_id"]
        ]
        source.commit(*[("d", "ticket_flights", one) for one in on_board], ("d", "flights", row))
    for row in list(source.rows["ticket_flights"].values())[::40]:
        source.commit(("d", "ticket_flights", row))
    for row in list(source.rows["ticket_flights"].values())[::30]:
        source.commit(("u", "ticket_flights", row | {"amount": "77.70"}))
    for row in list(source.rows["tickets"].values())[::50]:
        source.commit(("u", "tickets", row | {"passenger_name": "corrected " + row["ticket_no"]}))
    # Nobody but P99 ever flew on this ticket, and now it is somebody else's.
    row = source.rows["tickets"]["0000000000003",]
    source.commit(("u", "tickets", row | {"passenger_id": "P99"}))


def text(moment: datetime) -> str:
    """A moment as Debezium writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_airport_traffic(marts):
    """Flights and passengers of an airport would differ from the source's own view."""
    found = marts.table(
        "select airport_code, departure_flights_num, departure_psngr_num, arrival_flights_num,"
        " arrival_psngr_num from dwh_marts.airport_traffic",
        keys=1,
    )
    assert found == reference.airport_traffic(marts.source)
    assert found["ZZZ"] == (0, 0, 0, 0)


def test_active_airports(marts):
    """A day or the window would count airports that had no flight, or miss some."""
    found = marts.table("select * from dwh_marts.v_active_airports_30d", keys=1)
    assert found == reference.active_airports(marts.source, marts.now)
    assert max(per_day for per_day, *_ in found.values()) > 1
    assert sum(is_whole for *_, is_whole in found.values()) == len(found) - 2


def test_airport_traffic_share(marts):
    """Traffic of an airport would be wrong, or a share off by a hundredth of a percent or more."""
    expected = reference.traffic(marts.source, marts.now)
    found = marts.table(
        "select airport_code, airport_name, city, flights, flight_share_percent, passengers,"
        " passenger_share_percent from dwh_marts.v_airport_traffic_share",
        keys=1,
    )
    assert {code: (row[2], row[4]) for code, row in found.items()} == expected
    assert found["AAA"][:2] == ("AAA Airport", "Somewhere")
    for count, share in ((2, 3), (4, 5)):
        total = sum(row[count] for row in found.values())
        assert sum(row[share] for row in found.values()) == 100
        assert all(
            abs(row[share] - Decimal(100 * row[count]) / total) < Decimal("0.01")
            for row in found.values()
        )


def test_passenger_metrics(marts):
    """Passengers, revenue or an average of a day or of the window would be wrong."""
    found = marts.table("select * from dwh_marts.v_passenger_metrics_30d", keys=1)
    assert found == reference.passenger_metrics(marts.source, marts.now)


def test_passenger_groups(marts):
    """A passenger would be in the wrong group, or a group's money be wrong."""
    found = marts.table("select * from dwh_marts.v_passenger_groups_revenue", keys=1)
    expected = reference.passenger_groups(marts.source, marts.now)
    assert {name: row[:3] for name, row in found.items()} == expected
    assert all(passengers > 0 for passengers, _, _ in expected.values())
    assert sum(row[3] for row in found.values()) == 100


def test_frequent_flyers(marts):
    """A passenger's year, home airport or group would be wrong."""
    found = marts.table(
        "select passenger_id, flights_number, purchase_sum, home_airport, customer_group"
        " from presentation.frequent_flyers",
        keys=1,
    )
    assert found == reference.frequent_flyers(marts.source, RUN_DATE)
    assert {row[3] for row in found.values()} == {"5", "10", "25", "50", "50+"}


def test_newest_name(marts):
    """A passenger would go by a name that was corrected since, or by that of an older booking."""
    found = marts.table("select passenger_id, passenger_name from presentation.frequent_flyers", 1)
    newest: dict[str, tuple] = {}
    touched = {key for key in marts.warehouse.source.rows["tickets"] if key[0] == "0000000000003"}
    for key, row in marts.warehouse.source.rows["tickets"].items():
        changed = row["passenger_name"].startswith("corrected") or key in touched
        # The changed tickets were changed in the order of their numbers, but for the last one.
        rank = (changed, key in touched, row["ticket_no"])
        newest[row["passenger_id"]] = max(
            newest.get(row["passenger_id"], ()), (*rank, row["passenger_name"])
        )
    assert found == {person: (newest[person][-1],) for person in found}
    assert any(name.startswith("corrected") for (name,) in found.values())
    assert any(not name.startswith("corrected") for (name,) in found.values())


def test_passenger_flow(marts):
    """The flow would keep a flight on a day it left, or lose one that came."""
    found = marts.table(
        "select flight_date, airport_code, linked_airport_code, flights_in, flights_out,"
        " passengers_in, passengers_out from presentation.airport_passenger_flow",
        keys=3,
    )
    assert found == reference.passenger_flow(marts.source, marts.now.date())


def test_customer_group_history(marts):
    """A passenger whose group changed would have no history of it, or be in two groups at once."""
    history = marts.warehouse.rows(
        "select passenger_id, customer_group, dbt_valid_to is null"
        " from snapshots.customer_group_history"
    )
    now = marts.warehouse.rows(
        "select passenger_id, customer_group, true from presentation.frequent_flyers"
    )
    assert sorted(row for row in history if row[2]) == sorted(now)
    assert any(not in_force for _, _, in_force in history)

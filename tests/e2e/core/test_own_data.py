"""`./airline load`: somebody's own data in place of the simulator's, all of it or none."""

from __future__ import annotations

import csv
import io
import shutil
import tarfile
from pathlib import Path

import pytest

# It empties the source: after everything that looks at the simulator's data.
pytestmark = [pytest.mark.timeout(3600), pytest.mark.replaces_data]

# Made with Postgres Professional's demo database generator (MIT, licence inside).
INDEPENDENT = Path(__file__).parents[1] / "data" / "postgrespro_demo_70d.tgz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The eight CSV files, unpacked."""
    target = tmp_path_factory.mktemp("csv")
    with tarfile.open(INDEPENDENT) as archive:
        for member in archive.getmembers():
            if member.name.endswith(".csv"):
                with (target / Path(member.name).name).open("wb") as file:
                    shutil.copyfileobj(archive.extractfile(member), file)
    return target


def counts(stack) -> list[tuple]:
    return stack.sql(
        "primary",
        "select (select count(*) from flights), (select count(*) from tickets),"
        " (select count(*) from ticket_flights), (select count(*) from boarding_passes)",
    )


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("amount", "many", 'invalid input syntax for type numeric: "many"'),
        ("amount", "-1.00", "violates check constraint"),
        ("flight_id", "99999999", "violates foreign key constraint"),
    ],
)
def test_a_bad_row_is_named_and_nothing_changes(stack, folder, tmp_path, column, value, said):
    """Half of somebody's data is loaded, or nobody says which row was bad."""
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    file = broken / "ticket_flights.csv"
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    rows[1233][column] = value
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    before = counts(stack)
    done = stack.airline("load", str(broken), check=False)
    assert done.returncode == 1
    assert "ticket_flights.csv, line 1235" in done.stderr
    assert said in done.stderr
    assert "nothing was changed" in done.stderr
    assert counts(stack) == before


def test_a_missing_file_is_named_and_nothing_changes(stack, folder, tmp_path):
    """A table would be emptied because its file was forgotten."""
    partial = tmp_path / "partial"
    shutil.copytree(folder, partial)
    (partial / "bookings.csv").unlink()
    before = counts(stack)
    done = stack.airline("load", str(partial), check=False)
    assert done.returncode == 1
    assert "lacks bookings.csv" in done.stderr
    assert counts(stack) == before


def test_independent_data_comes_through_with_its_known_figures(stack):
    """The pipeline is right only for what our own simulator makes."""
    stack.airline("load", str(INDEPENDENT))
    assert counts(stack) == [(4602, 70139, 86091, 59154)]
    stack.assert_audit_clean()

    # Of all statuses, as the data's authors counted.
    flights = stack.sql(
        "dwh",
        """
        with passengers as (
            select flight_id, count(*) as number from dwh_business.current_ticket_flights
            group by flight_id
        )
        select airport_code, count(*) filter (where departs),
            sum(coalesce(number, 0)) filter (where departs),
            count(*) filter (where not departs),
            sum(coalesce(number, 0)) filter (where not departs)
        from dwh_business.current_flights
        cross join lateral (
            values (departure_airport, true), (arrival_airport, false)
        ) as ends (airport_code, departs)
        left join passengers using (flight_id)
        where airport_code in ('CAN', 'HGH')
        group by airport_code order by airport_code
        """,
    )
    assert flights == [("CAN", 97, 3558, 94, 3581), ("HGH", 121, 3392, 120, 3502)]

    arrived = stack.sql(
        "dwh",
        "select count(distinct flight_id), count(ticket_no) from dwh_business.current_flights"
        " left join dwh_business.current_ticket_flights using (flight_id)"
        " where status = 'Arrived'",
    )
    assert arrived == [(1820, 58366)]

    assert stack.half_bookings("dwh", "dwh_business.current_{}") == []

    flown = stack.sql(
        "dwh",
        "select sum(flights_out), sum(passengers_out), sum(passengers_in)"
        " from presentation.airport_passenger_flow",
    )
    [(departed, passengers)] = stack.sql(
        "primary",
        "select count(distinct flight_id), count(ticket_no) from flights"
        " left join ticket_flights using (flight_id) where status in ('Departed', 'Arrived')",
    )
    assert flown == [(departed, passengers, passengers)]


def test_traffic_of_independent_data_is_the_same_in_the_vault(stack):
    """The marts agree with the source for the simulator's data only."""
    traffic = (
        "select airport_code, departure_flights_num, departure_psngr_num, arrival_flights_num,"
        " arrival_psngr_num from {} order by airport_code"
    )
    source = stack.sql("primary", traffic.format("airport_traffic"))
    assert stack.sql("dwh", traffic.format("dwh_marts.airport_traffic")) == source

"""Columns followed through small queries, models and dashboards."""

from __future__ import annotations

import json

import pytest

import catalogue
from infra.errors import AirlineError
from infra.lineage import command, dashboards, impact, sql
from infra.lineage.deps import NOTHING, ROW, Deps, Origin, Relation
from infra.lineage.project import Lineage
from infra.superset import assets, chain
from tests.support.schemas import faults
from tests.unit.test_contracts import manifest, model

FLIGHTS = Relation(
    {name: Deps(frozenset({Origin("flights", name)})) for name in ("id", "airport", "status")},
    unique={frozenset({"id"})},
)
SALES = Relation(
    {name: Deps(frozenset({Origin("sales", name)})) for name in ("flight_id", "amount", "code")}
)
EVENTS = Relation(
    dict.fromkeys(("key", "value"), Deps(frozenset({Origin("flights", ROW)}))), other=NOTHING
)


def read(text: str) -> Relation:
    tables = {"flights": FLIGHTS, "sales": SALES, "events": EVENTS}
    columns = {"flights": frozenset(FLIGHTS.columns)}
    return sql.read(text, lambda _schema, name: tables[name], columns)


def said(deps: Deps) -> tuple[set[str], set[str]]:
    """The values, and what only decides the rows."""
    value = {f"{each.table}.{each.column}" for each in deps.value}
    return value, {f"{each.table}.{each.column}" for each in deps.rows} - value


@pytest.mark.parametrize(
    ("query", "value", "rows"),
    [
        # an expression is of all that is in it, conditions too
        (
            "select case when status = 'x' then airport end as it from flights",
            {"flights.status", "flights.airport"},
            set(),
        ),
        ("select airport as it from flights where status = 'x'", {"flights.airport"}, {"status"}),
        ("select count(*) as it from flights group by airport", set(), {"airport"}),
        (
            "select count(*) filter (where status = 'x') as it from flights",
            {"flights.status"},
            set(),
        ),
        (
            "select it from (select airport, status from flights) as f (it, s)",
            {"flights.airport"},
            set(),
        ),
        (
            "with f as (select * from flights) select f.airport as it from f",
            {"flights.airport"},
            set(),
        ),
        (
            "select airport as it from flights order by status limit 3",
            {"flights.airport"},
            {"status"},
        ),
        ("select airport as it from flights order by status", {"flights.airport"}, set()),
        (
            "select distinct on (airport) id as it from flights order by airport, status",
            {"flights.id"},
            {"airport", "status"},
        ),
        (
            "select sum(id) over w as it from flights window w as (order by status)",
            {"flights.id", "flights.status"},
            set(),
        ),
        (
            "select id as it from flights union select 1 as other",
            {"flights.id"},
            set(),
        ),
        (
            "select id as it from flights as f"
            " where exists (select 1 from flights as g where g.airport = f.status)",
            {"flights.id"},
            {"airport", "status"},
        ),
        ("select (select max(status) from flights) as it", {"flights.status"}, set()),
        (
            "select v.it from flights cross join lateral (values (id), (airport)) as v (it)",
            {"flights.id", "flights.airport"},
            set(),
        ),
        (
            "select day as it from flights cross join lateral generate_series(1, id) as day",
            {"flights.id"},
            set(),
        ),
        (
            "select f.airport as it from flights as g"
            ' cross join lateral "marts"."flights_as_of"(g.id) as f',
            {"flights.airport"},
            {"id"},
        ),
        (
            "select (r.f).airport as it from (select f from flights as f) as r",
            {"flights.airport"},
            set(),
        ),
        (
            "with recursive r as (select id as it from flights union all select it from r)"
            " select it from r",
            {"flights.id"},
            set(),
        ),
    ],
)
def test_a_column_is_followed(query, value, rows):
    """A part of SQL would hide what a column is made of."""
    found = read(query)
    deps = found.columns["it"] | found.rows.as_rows()
    assert said(deps) == (value, {f"flights.{name}" for name in rows})


def test_what_is_looked_up_decides_no_rows():
    """Every column of a mart would seem to depend on all that is joined to it."""
    found = read(
        "select sales.amount, flights.status from sales"
        " left join flights on flights.id = sales.flight_id"
    )
    assert said(found.rows) == (set(), set())
    assert said(found.columns["amount"]) == ({"sales.amount"}, set())
    assert said(found.columns["status"]) == ({"flights.status"}, {"flights.id", "sales.flight_id"})


def test_what_a_look_up_is_looked_up_by_is_followed():
    """A key that leads to another key would be forgotten on the way."""
    found = read(
        "select there.status from sales"
        " left join flights as here on here.id = sales.flight_id"
        " left join flights as there on there.id = here.airport"
    )
    assert said(found.columns["status"]) == (
        {"flights.status"},
        {"flights.id", "flights.airport", "sales.flight_id"},
    )


@pytest.mark.parametrize(
    "join", ["join flights on flights.id", "left join flights on flights.airport"]
)
def test_what_multiplies_or_drops_rows_decides_them(join):
    """A join that loses rows would be taken for a look-up."""
    found = read(f"select sales.amount from sales {join} = sales.code")
    column = join.rpartition(".")[2]
    assert said(found.rows) == (set(), {"sales.code", f"flights.{column}"})


def test_one_row_of_all_decides_no_rows():
    """A total beside each row would seem to decide which rows there are."""
    found = read(
        "select airport, t.total from flights"
        " cross join (select sum(amount) as total from sales) as t"
    )
    assert said(found.rows) == (set(), set())
    assert said(found.columns["total"]) == ({"sales.amount"}, set())


def test_members_of_an_event_are_columns_of_the_source():
    """Lineage would end at the JSON, or every column would be of the whole event."""
    found = read(
        """
        select
            row_image ->> 'status' as status,
            coalesce((row_image -> 'airport' ->> 'en')::text, '') as airport,
            -- to sqlglot the argument is a function, unless it is told
            md5(row_image ->> 'id') as id,
            op
        from (
            select
                value ->> 'op' as op,
                case
                    when value ->> 'op' = 'd'
                        then jsonb_build_object('id', value -> 'before' -> 'id')
                    else value -> 'after'
                end as row_image
            from events
        ) as event
        """
    )
    assert said(found.columns["status"]) == ({"flights.status"}, set())
    assert said(found.columns["airport"]) == ({"flights.airport"}, set())
    assert said(found.columns["id"]) == ({"flights.id"}, set())
    assert said(found.columns["op"]) == (set(), set())


def test_a_name_that_nothing_has_is_an_error():
    """What was not understood would be no dependence."""
    with pytest.raises(LookupError, match="nonsense"):
        read("select flights.nonsense from flights")


def landed(table: str, *columns: str) -> dict:
    members = ", ".join(f"value -> 'after' ->> '{each}' as {each}" for each in columns)
    hashes = ", ".join(f"md5(value -> 'after' ->> '{each}') as {each}_hash" for each in columns)
    return model(
        f"vst_{table}",
        {},
        "models/vault_stage",
        schema="dwh_stage",
        alias=f"vst_{table}",
        config={},
        compiled_code=f"select {members}, {hashes} from db.staging.{table}",
    )


def made(name: str, path: str, schema: str, text: str) -> dict:
    return model(name, {}, path, schema=schema, alias=name, config={}, compiled_code=text)


def lineage() -> Lineage:
    """Flights and airports, whose hub has the airports of both."""
    hub = " union all ".join(
        f"select {name}_hash as airport_hash_key, {name} as airport_code"
        f" from db.dwh_stage.vst_{table}"
        for table, name in (
            ("airports", "airport_code"),
            ("flights", "departure_airport"),
            ("flights", "arrival_airport"),
        )
    )
    vault = "models/raw_vault"
    models = [
        landed("airports", "airport_code", "city"),
        landed("flights", "flight_id", "departure_airport", "arrival_airport", "status"),
        made("hub_airports", f"{vault}/hubs", "dwh_detailed", hub),
        made(
            "sat_flights",
            f"{vault}/satellites",
            "dwh_detailed",
            "select departure_airport_hash, status from db.dwh_stage.vst_flights"
            " where status is not null",
        ),
        made(
            "departures",
            "models/marts/x",
            "dwh_marts",
            "select a.airport_code, count(f.status) as flights"
            " from db.dwh_detailed.sat_flights as f join db.dwh_detailed.hub_airports as a"
            " on a.airport_hash_key = f.departure_airport_hash group by a.airport_code",
        ),
    ]
    return Lineage(manifest(*models), catalogue.tables())


def test_a_hub_says_the_key_that_it_is_asked_for():
    """An airport of departure would seem to come from every table that names an airport."""
    departures = lineage().marts()["dwh_marts.departures"]
    assert said(departures.columns["airport_code"]) == ({"flights.departure_airport"}, set())
    assert said(departures.columns["flights"]) == ({"flights.status"}, set())
    assert said(departures.rows) == (set(), {"flights.departure_airport"})


def test_a_rows_newest_change_is_of_all_its_columns():
    """What is chosen by the load date would change, and not be named."""
    models = [
        landed("flights", "flight_id", "status"),
        made(
            "current_flights",
            "models/business_vault",
            "dwh_business",
            "select flight_id, status, now() as load_date from db.dwh_stage.vst_flights",
        ),
        made(
            "newest",
            "models/marts/x",
            "dwh_marts",
            "select distinct on (status) status, flight_id from db.dwh_business.current_flights"
            " order by status, load_date desc",
        ),
    ]
    tables = catalogue.tables()
    newest = Lineage(manifest(*models), tables).marts()["dwh_marts.newest"]
    every = {f"flights.{column}" for column in tables["flights"].columns}
    assert said(newest.columns["flight_id"]) == (
        {"flights.flight_id"},
        every - {"flights.flight_id"},
    )
    # Which one comes first decides no rows.
    assert said(newest.columns["status"] | newest.rows) == ({"flights.status"}, set())


def test_impact_of_a_column_and_the_way_back():
    """A mart that reads a column would not be named, or would not name it."""
    marts = lineage().marts()
    found = impact.of_source(Origin("flights", "departure_airport"), marts, [])
    assert found.marts == {"dwh_marts.departures": {"airport_code": "value", "flights": "rows"}}
    back = impact.of_mart("dwh_marts.departures", "flights", marts, [])
    assert back.comes_from == {"flights.departure_airport": "rows", "flights.status": "value"}
    nothing = impact.of_source(Origin("airports", "city"), marts, [])
    assert nothing.marts == {}
    assert "no mart depends on it" in command.text(nothing, 80)


def test_readers_of_the_columns_are_named():
    """A chart would break that was not named, or one be named that shows other columns."""
    marts = lineage().marts()
    readers = [
        dashboards.Reader("chart", title, ("Board",), "dwh_marts.departures", frozenset({column}))
        for title, column in (("codes", "airport_code"), ("counts", "flights"))
    ]
    found = impact.of_source(Origin("flights", "status"), marts, readers)
    assert [(reader.title, kind) for reader, kind in found.readers] == [("counts", "value")]
    found = impact.of_source(Origin("flights", "departure_airport"), marts, readers)
    assert [kind for _, kind in found.readers] == ["value", "rows"]
    shown = json.loads(json.dumps(command.as_json(found)))
    assert shown["dashboards"] == ["Board"]
    assert shown["readers"][1]["by"] == "rows"
    assert faults("impact", shown) == []
    back = impact.of_mart("dwh_marts.departures", "flights", marts, readers)
    assert faults("impact", command.as_json(back)) == []


def test_a_name_of_nothing_says_what_there_is():
    """A misspelled column would seem to have no readers."""
    marts, tables = lineage().marts(), {"flights": ["status"]}
    assert impact.find("flights.status", tables, marts) == Origin("flights", "status")
    assert impact.find("departures.flights", tables, marts) == ("dwh_marts.departures", "flights")
    with pytest.raises(AirlineError, match="flights; or a mart, one of departures"):
        impact.find("flihgts.status", tables, marts)
    with pytest.raises(AirlineError, match="'statsu'; it has status"):
        impact.find("flights.statsu", tables, marts)
    with pytest.raises(AirlineError, match="names no column"):
        impact.find("flights", tables, marts)


def test_every_chart_reads_a_column_of_its_mart():
    """A chart whose columns are not understood would never be named."""
    found = dashboards.readers(assets.read())
    charts = {each.title for each in found if each.kind == "chart"}
    assert charts == {
        each["slice_name"] for each in assets.of_kind(assets.read(), "charts").values()
    }
    metrics = {
        each["metric_name"]: each["expression"]
        for dataset in assets.of_kind(assets.read(), "datasets").values()
        for each in dataset["metrics"]
    }
    for chart in assets.of_kind(assets.read(), "charts").values():
        columns = [each.columns for each in found if each.title == chart["slice_name"]]
        # What is of no column counts rows.
        expressions = {metrics[each] for each in chain.used_metrics(chart["params"])}
        assert all(columns) or expressions == {"COUNT(*)"}, chart["slice_name"]
    (busiest,) = [each for each in found if each.title == "Крупнейшие направления"]
    # its route is made of two columns, its metric of a third
    assert busiest.columns == {
        "airport_code",
        "linked_airport_code",
        "flight_date",
        "passengers_out",
    }

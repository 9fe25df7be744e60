"""What a person sees at a glance: whole labels, the whole map, units, one column on a telephone."""

from __future__ import annotations

import pytest

from infra.superset import assets, canonical, narrow
from tests.support.browser import needs_browser
from tests.support.clicks import TEXTS, places
from tests.support.superset import TELEPHONE, Client, Dashboard

pytestmark = pytest.mark.timeout(1200)

BUNDLE = assets.read()
BOARDS = {each["slug"]: each for each in assets.of_kind(BUNDLE, "dashboards").values()}
GROUPS = ["1. Топ 5 %", "2. 5–10 %", "3. 10–25 %", "4. 25–50 %", "5. 50–100 %"]
# Left edge, width and title of each chart, and whether the title is all there.
HOLDERS = """() => {
    const holders = [...document.querySelectorAll('.dashboard-component-chart-holder')];
    return holders.map((each) => {
        const box = each.getBoundingClientRect();
        const title = each.querySelector('[data-test="slice-header"] .header-title');
        const isWhole = title.scrollWidth <= title.clientWidth + 1 && title.clientWidth > 200;
        return [box.left, box.width, title.innerText, isWhole];
    });
}"""


def count(slug: str) -> int:
    return len(list(canonical.charts_of(BOARDS[slug])))


def texts(dashboard: Dashboard, number: int) -> list[list]:
    """The texts of a chart, once it has drawn its last frame."""
    before: list = []
    for _ in range(50):
        found = dashboard.page.evaluate(TEXTS, number)
        if found and found == before:
            break
        before = found
        dashboard.page.wait_for_timeout(300)
    return before


@needs_browser
@pytest.mark.parametrize("slug", sorted(BOARDS))
def test_no_label_of_a_chart_is_cut(dashboard: Dashboard, numbers, slug):
    """A bar says 499 834 40, and nobody knows what the last figure was."""
    dashboard.open(slug, count(slug))
    placed = set(canonical.charts_of(BOARDS[slug]))
    drawn = [
        name.split("/")[1].removesuffix(".yaml")
        for name, chart in assets.of_kind(BUNDLE, "charts").items()
        if chart["uuid"] in placed and chart["viz_type"].startswith("echarts_")
    ]
    assert drawn
    cut = [
        f"{name}: «{said}»"
        for name in drawn
        for said, is_whole in texts(dashboard, numbers[name])
        if not is_whole
    ]
    assert not cut


@needs_browser
def test_bars_say_their_units(dashboard: Dashboard, numbers):
    """A share has no per cent sign, a sum of money no currency."""
    dashboard.open("airports", count("airports"))
    for name in ("flight_share", "passenger_share"):
        said = [text for text, _ in texts(dashboard, numbers[name])]
        assert any(text.endswith("\u00a0%") for text in said), said
    dashboard.open("passengers", count("passengers"))
    said = [text for text, _ in texts(dashboard, numbers["revenue_by_group"])]
    assert "Выручка, млн ₽" in said


@needs_browser
def test_groups_stand_in_their_order(dashboard: Dashboard, numbers):
    """The best customers are below those who spend less."""
    dashboard.open("flyers-and-flow", count("flyers-and-flow"))
    said = [text for text, _ in texts(dashboard, numbers["revenue_by_customer_group"])]
    # ECharts draws the axis from below.
    assert [text for text in said if text in GROUPS][::-1] == GROUPS
    assert 0 < len(dashboard.rows(numbers["frequent_flyers"])) <= 100


@needs_browser
def test_the_map_shows_every_airport_and_speaks_to_people(dashboard: Dashboard, numbers):
    """The south is cut off, or a circle says airport_code."""
    dashboard.open("airports", count("airports"))
    number = numbers["airport_map"]
    box = dashboard.page.locator(f"#chart-id-{number} canvas").first.bounding_box()
    circles = list(places(dashboard, BUNDLE["charts/airport_map.yaml"]["params"], number))
    outside = [
        row["linked_airport"]
        for row, x, y in circles
        if not (0 < x - box["x"] < box["width"] and 0 < y - box["y"] < box["height"])
    ]
    assert circles and not outside
    row, x, y = circles[0]
    tooltip = ""
    for _ in range(100):
        dashboard.page.mouse.move(x - 30, y)
        dashboard.page.wait_for_timeout(200)
        dashboard.page.mouse.move(x, y + 2)
        dashboard.page.wait_for_timeout(200)
        tooltip = "".join(dashboard.page.locator(".deckgl-tooltip").all_inner_texts())
        if tooltip:
            break
    assert "Аэропорт: " in tooltip and "Пассажиры: " in tooltip, tooltip
    assert row["linked_airport"] in tooltip


@needs_browser
def test_an_airport_without_passengers_has_no_circle(stack, dashboard: Dashboard, numbers):
    """Superset draws nought as if it were ten: an empty flight looks like hundreds of people."""
    stack.commit(
        "insert into airports values ('ZZM', 'Airport ZZM', 'nowhere', 10, 10, 'UTC')",
        "insert into flights (flight_id, flight_no, scheduled_departure, scheduled_arrival,"
        " departure_airport, arrival_airport, status, aircraft_code)"
        " select max(flight_id) + 1000, 'ZZ0001', now() - interval '1 day',"
        " now() - interval '22 hours', 'ZZM', 'FRA', 'Scheduled', max(aircraft_code) from flights",
    )
    try:
        stack.assert_audit_clean()
        dashboard.open("airports", count("airports"))
        listed = {row["linked_airport_code"] for row in dashboard.rows(numbers["airport_traffic"])}
        assert "ZZM" in listed
        circles = dashboard.rows(numbers["airport_map"])
        assert circles and "nowhere (ZZM)" not in {row["linked_airport"] for row in circles}
    finally:
        stack.commit(
            "delete from flights where flight_no = 'ZZ0001'",
            "delete from airports where airport_code = 'ZZM'",
        )
        stack.assert_audit_clean()


@needs_browser
@pytest.mark.parametrize("slug", sorted(BOARDS))
def test_a_telephone_has_one_column(stack, dashboard: Dashboard, slug):
    """Three charts share a telephone's width, and their titles read «О… ко… ак…»."""
    theirs = dashboard.beside(TELEPHONE)
    try:
        theirs.log_in(stack.settings.superset_user, stack.settings.superset_password)
        theirs.open(slug, count(slug))
        holders = theirs.page.evaluate(HOLDERS)
        assert len({left for left, *_ in holders}) == 1, holders
        assert min(width for _, width, *_ in holders) > TELEPHONE["width"] * 0.8, holders
        assert [title for *_, title, is_whole in holders if not is_whole] == []
        assert not theirs.page.locator("[data-test='edit-dashboard-button']").is_visible()
    finally:
        theirs.page.close()


def test_a_narrow_window_does_not_save_its_layout(admin: Client):
    """Somebody edits on a telephone, and the dashboard has one column for everybody."""
    [board] = [each for each in admin.list("dashboard") if each["slug"] == "airports"]
    before = admin.call("GET", f"dashboard/{board['id']}").json()["result"]["position_json"]
    try:
        admin.session.cookies.set(narrow.COOKIE, "1")
        shown = admin.call("GET", f"dashboard/{board['id']}").json()["result"]["position_json"]
        assert shown != before
        answer = admin.call(
            "PUT",
            f"dashboard/{board['id']}",
            json={"json_metadata": f'{{"positions": {shown}}}'},
        )
        assert answer.status_code == 409 and "one column" in answer.text
    finally:
        admin.session.cookies.set(narrow.COOKIE, "0")
    after = admin.call("GET", f"dashboard/{board['id']}").json()["result"]["position_json"]
    assert after == before

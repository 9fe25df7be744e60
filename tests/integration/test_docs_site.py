"""The docs site in a browser, of the project's own manifest."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dbt.task.docs
import pytest

from infra.dbt import runner, site
from infra.dbt.serve import Handler
from infra.settings import Settings
from tests.support.browser import needs_browser, new_page

pytestmark = [needs_browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Any]:
    """A browser on the site as `./airline docs` makes it, without the warehouse's catalog."""
    folder = tmp_path_factory.mktemp("site")
    settings = Settings.from_environment({"AIRLINE_HOME": str(folder / "home")})
    target = folder / "target"
    subprocess.run(
        runner.command("--quiet", "parse", "--target-path", str(target)),
        cwd=settings.root,
        env=runner.environment(settings),
        check=True,
    )
    shutil.copy(Path(dbt.task.docs.__path__[0]) / "index.html", target)
    catalog = {"metadata": {}, "nodes": {}, "sources": {}, "errors": None}
    (target / "catalog.json").write_text(json.dumps(catalog))
    site.publish(settings, target)
    handler = functools.partial(Handler, directory=str(site.folder(settings)))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with new_page({"width": 1440, "height": 1000}) as opened:
                opened.goto(f"http://127.0.0.1:{server.server_port}/#!/overview")
                opened.locator("h2", has_text="How the vault is built").wait_for()
                yield opened
        finally:
            server.shutdown()
            thread.join()


def heading(page: Any, name: str) -> Any:
    return page.locator("h1:visible", has_text=name)


def test_a_marts_name_leads_to_its_page_and_on(page):
    """A reader of the first page would have to search for each mart in the menu."""
    page.goto(page.url.partition("#")[0] + "#!/overview")
    page.locator("table").get_by_role("link", name="frequent_flyers", exact=True).click()
    heading(page, "frequent_flyers").wait_for()
    page.locator(".model-markdown a", has_text="customer_group_history").click()
    heading(page, "customer_group_history").wait_for()
    assert page.url.endswith("#!/snapshot/snapshot.airline.customer_group_history")


def test_the_vaults_diagram_opens_and_its_tables_are_links(page):
    """A diagram in small print would be all there is."""
    page.goto(page.url.partition("#")[0] + "#!/overview")
    page.locator("img[src='docs/dwh_schema.svg']").click()
    page.wait_for_url("**/docs/dwh_schema.svg")
    # Larger than the page of the site has room for, and text: the browser's search finds it.
    words = page.locator("text", has_text="flight_leg_hash_key").first
    assert words.bounding_box()["height"] >= 12
    page.locator("a", has_text="hub_flights").first.click()
    heading(page, "hub_flights").wait_for()


@pytest.mark.parametrize(
    ("mart", "shown"),
    [("frequent_flyers", "exposure"), ("frequent_flyers_personal", "snapshot")],
)
def test_the_graph_opens_without_unit_tests(page, mart, shown):
    """What a mart is made of would be lost among its unit tests."""
    page.goto(page.url.partition("#")[0] + f"#!/model/model.airline.{mart}")
    heading(page, mart).wait_for()
    for shows in ("showVerticalGraph", "showFullGraph"):
        page.evaluate(
            "([shows, mart]) => angular.element(document.body).injector().get('graph')[shows]"
            "(mart)",
            [shows, mart],
        )
        kinds = page.evaluate(
            "() => angular.element(document.body).injector().get('graph').graph.elements"
            ".map((each) => each.data.resource_type)"
        )
        assert {"model", shown} <= set(kinds), shows
        assert "unit_test" not in kinds, shows
    # They are still there to be asked for.
    assert "unit_test" in page.evaluate(
        "() => angular.element(document.body).injector().get('selectorService')"
        ".options.resource_types"
    )

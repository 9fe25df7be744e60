"""The docs site's server, asked over HTTP."""

from __future__ import annotations

import functools
import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.dbt import marks
from infra.dbt.serve import Handler


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    return folder


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Handler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def refusal(address: str) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(address, timeout=10)
    return caught.value.code, caught.value.read().decode()


def test_before_the_site_is_made_it_says_how(address):
    """A person would see a listing of an empty folder, or nothing."""
    code, page = refusal(address)
    assert code == 503
    assert "./airline docs" in page


def test_the_site_and_nothing_else(site, address):
    """Files beside the site, or lists of folders, could be read."""
    (site / "index.html").write_text("the site")
    (site / "docs").mkdir()
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.read() == b"the site"
        assert answer.headers["Cache-Control"] == "no-cache"
    assert refusal(f"{address}/docs/")[0] == 404
    assert refusal(f"{address}/../secret")[0] == 404
    assert refusal(f"{address}/%2e%2e/secret")[0] == 404


def test_a_site_made_anew_is_served_at_once(site, address):
    """The server would have to be started again after `./airline docs`."""
    (site / "index.html").write_text("old")
    site.rename(site.with_name("old"))
    site.mkdir()
    (site / "index.html").write_text("new")
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.read() == b"new"


def test_what_is_marked_personal_says_so():
    """A reader of the docs learns nowhere that a column identifies a person."""
    columns = {
        "passenger_name": {"description": "Name."},
        "passenger_id": {},
        "revenue": {"description": "Sum."},
    }
    manifest = {"nodes": {"model.airline.mart": {"columns": columns}, "test.airline.one": {}}}
    marks.in_columns(manifest, {"passenger_name", "passenger_id"})
    assert {name: column["description"] for name, column in columns.items()} == {
        "passenger_name": "Personal data. Name.",
        "passenger_id": "Personal data. ",
        "revenue": "Sum.",
    }

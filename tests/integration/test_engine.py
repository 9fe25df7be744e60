"""The macros of macros/engine on PostgreSQL: each returns what the contract says."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from tests.support.engine_cases import CASES
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(1200)

BETWEEN = "\n-- next statement\n"


@pytest.fixture(scope="module")
def rendered(postgres_server, tmp_path_factory) -> tuple[Warehouse, list[list[str]]]:
    """The statements of every case, as dbt renders them: all at once, which is quicker."""
    warehouse = Warehouse(postgres_server, "engine", tmp_path_factory.mktemp("dbt"))
    template = BETWEEN.join(BETWEEN.join(case.statements) for case in CASES)
    done = warehouse.dbt("compile", "--inline", template)
    assert done.success, messages(done)
    texts = iter(done.result.results[0].node.compiled_code.split(BETWEEN))
    return warehouse, [[next(texts) for _ in case.statements] for case in CASES]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.macro for case in CASES])
def test_a_macro_returns_what_its_contract_says(rendered, number):
    """A model that relies on it has other rows than on another engine."""
    warehouse, statements = rendered
    case = CASES[number]
    # A session whose zone is not UTC: nothing may follow it.
    with (
        closing(psycopg2.connect(warehouse.dsn, options="-c timezone=Asia/Tokyo")) as connection,
        connection.cursor() as cursor,
    ):
        if case.error:
            for statement in statements[number][:-1]:
                cursor.execute(statement)
            with pytest.raises(psycopg2.Error, match=case.error):
                cursor.execute(statements[number][-1])
            return
        for statement in statements[number]:
            cursor.execute(statement)
        assert _as_text(cursor.fetchall()) == list(case.rows)


def _as_text(rows: list[tuple]) -> list[tuple[str | None, ...]]:
    return [tuple(None if each is None else str(each) for each in row) for row in rows]


def test_what_an_engine_lacks_is_named(rendered):
    """Whoever runs the project on a new engine reads a message about undefined names."""
    warehouse, _ = rendered
    arguments = "{value: x, member: y}"
    assert not warehouse.dbt("run-operation", "default__json_text", "--args", arguments).success
    said = (warehouse.folder / "logs" / "dbt.log").read_text()
    assert "The engine postgres has no macro json_text" in said
    assert "Write postgres__json_text in macros/engine/postgres" in said

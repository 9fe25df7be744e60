"""Hubs and links would hold other rows than AutomateDV loads, if these failed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.automate_dv.harness import Project

CUSTOMERS = (
    "customer_hk bytea, customer_id text, region text, load_date timestamp, record_source text"
)
ORDERS = (
    "order_hk bytea, customer_hk bytea, product_hk bytea, note text, load_date timestamp,"
    " record_source text"
)
PAYMENTS = f"{ORDERS}, amount numeric, paid_at timestamp"
MODELS = "path:models/keys"


def day(number: int) -> datetime:
    return datetime(2024, 1, number)


def key(number: int) -> bytes:
    return bytes([number])


def customer(number: int | None, name: str, region: str, loaded: int, source: str) -> str:
    hash_key = "null" if number is None else f"'\\x{number:02x}'"
    return f"{hash_key}, '{name}', '{region}', '2024-01-{loaded:02d}', '{source}'"


def order(keys: list[int | None], note: str, loaded: int, source: str, *more: str) -> str:
    parts = ["null" if each is None else f"'\\x{each:02x}'" for each in keys]
    return ", ".join([*parts, f"'{note}'", f"'2024-01-{loaded:02d}'", f"'{source}'", *more])


@pytest.fixture(scope="module")
def loads(
    postgres_server, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, list[tuple]]]:
    """The tables' rows after a first load, a second one, that once more, and a full refresh."""
    project = Project(
        Path(tmp_path_factory.mktemp("tables")), postgres_server, "automate_dv_tables"
    )
    seen: list[dict[str, list[tuple]]] = []

    def load(*arguments: str) -> None:
        project.run(MODELS, *arguments)
        seen.append(
            {
                name: sorted(project.rows(f"select * from vault.{name}"), key=repr)
                for name in ("hub_one", "hub_two", "link_one", "link_two")
            }
        )
        seen[-1]["columns"] = [tuple(project.columns(name)) for name in ("hub_one", "link_one")]

    project.replace(
        "customers_a",
        CUSTOMERS,
        customer(1, "C1", "late", 3, "A"),
        customer(1, "C1", "early", 1, "Z"),
        customer(2, "C2", "tie", 2, "Y"),
        customer(2, "C2", "tie", 2, "B"),
        customer(None, "C?", "no key", 1, "A"),
    )
    project.replace(
        "customers_b",
        CUSTOMERS,
        customer(1, "C1", "later", 4, "A"),
        customer(2, "C2", "tie", 2, "A"),
        customer(3, "C3", "only here", 5, "A"),
    )
    project.replace(
        "orders",
        ORDERS,
        order([1, 10, 20], "late", 3, "A"),
        order([1, 10, 20], "early", 2, "B"),
        order([2, 10, None], "no product", 1, "A"),
        order([3, None, 20], "no customer", 1, "A"),
        order([None, 10, 20], "no key", 1, "A"),
    )
    project.replace(
        "payments",
        PAYMENTS,
        order([1, 10, 20], "n", 1, "P", "5", "'2024-01-01'"),
        order([1, 10, 20], "n", 1, "P", "5", "'2024-01-01'"),
        order([4, 11, 21], "n", 1, "P", "6", "'2024-01-01'"),
        order([4, 11, 21], "n", 1, "P", "7", "'2024-01-01'"),
        order([None, 11, 21], "no key", 1, "P", "8", "'2024-01-01'"),
    )
    load()
    project.replace(
        "customers_a",
        CUSTOMERS,
        # Older than what the target has: hubs never update.
        customer(1, "C1", "changed", 1, "0"),
        customer(4, "C4", "new", 6, "A"),
    )
    project.replace("customers_b", CUSTOMERS, customer(4, "C4", "new", 5, "B"))
    project.replace(
        "orders", ORDERS, order([1, 10, 20], "changed", 1, "0"), order([5, 12, 22], "new", 6, "A")
    )
    project.replace(
        "payments",
        PAYMENTS,
        order([4, 11, 21], "n", 6, "P", "9", "'2024-01-06'"),
        order([5, 12, 22], "n", 6, "P", "3", "'2024-01-06'"),
    )
    load()
    load()
    load("--full-refresh")
    return seen


def test_columns(loads: list[dict[str, list[tuple]]]) -> None:
    """Tables would have their columns in another order."""
    assert loads[0]["columns"] == [
        ("customer_hk", "customer_id", "region", "load_date", "record_source"),
        ("order_hk", "customer_hk", "product_hk", "note", "load_date", "record_source"),
    ]


def test_hub(loads: list[dict[str, list[tuple]]]) -> None:
    """A hub would take another row than a key's first, a NULL key, or a key twice."""
    first = [
        (key(1), "C1", "early", day(1), "Z"),
        (key(2), "C2", "tie", day(2), "B"),
    ]
    assert loads[0]["hub_one"] == first
    assert loads[1]["hub_one"] == [*first, (key(4), "C4", "new", day(6), "A")]
    assert loads[2]["hub_one"] == loads[1]["hub_one"]


def test_hub_of_several_sources(loads: list[dict[str, list[tuple]]]) -> None:
    """A hub fed by several models would not take the earliest row of them all."""
    first = [
        (key(1), "C1", "early", day(1), "Z"),
        (key(2), "C2", "tie", day(2), "A"),
        (key(3), "C3", "only here", day(5), "A"),
    ]
    assert loads[0]["hub_two"] == first
    assert loads[1]["hub_two"] == [*first, (key(4), "C4", "new", day(5), "B")]
    assert loads[2]["hub_two"] == loads[1]["hub_two"]


def test_link(loads: list[dict[str, list[tuple]]]) -> None:
    """A link would take rows without one of their keys, or another row than a key's first."""
    first = [(key(1), key(10), key(20), "early", day(2), "B")]
    assert loads[0]["link_one"] == first
    assert loads[1]["link_one"] == [*first, (key(5), key(12), key(22), "new", day(6), "A")]
    assert loads[2]["link_one"] == loads[1]["link_one"]


def test_link_of_several_sources(loads: list[dict[str, list[tuple]]]) -> None:
    """A link fed by several models would not take the earliest row of them all."""
    first = [
        (key(1), key(10), key(20), day(1), "P"),
        (key(4), key(11), key(21), day(1), "P"),
    ]
    assert loads[0]["link_two"] == first
    assert loads[1]["link_two"] == [*first, (key(5), key(12), key(22), day(6), "A")]
    assert loads[2]["link_two"] == loads[1]["link_two"]


def test_full_refresh(loads: list[dict[str, list[tuple]]]) -> None:
    """A full refresh would keep rows of before."""
    refreshed = loads[3]
    assert [row[0] for row in refreshed["hub_one"]] == [key(1), key(4)]
    assert [row[0] for row in refreshed["link_one"]] == [key(1), key(5)]
    assert refreshed["hub_one"][0] == (key(1), "C1", "changed", day(1), "0")

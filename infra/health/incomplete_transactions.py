"""Source transactions that were loaded although events of them had not landed."""

from __future__ import annotations

from contextlib import closing

import psycopg2

from infra.health.finding import Finding, age, span
from infra.settings import Settings
from infra.warehouse import figures_dsn
from infra.warehouse import incomplete_transactions as noted


def transactions(settings: Settings) -> Finding:
    """How many are open, of which tables. values: `incomplete`, `tables`, `oldest` (when the first
    was noticed).
    """
    with closing(psycopg2.connect(figures_dsn(settings))) as connection, connection.cursor() as ask:
        found = noted.summary(ask)
    values = {
        "incomplete": found.transactions,
        "tables": found.tables,
        "oldest": found.oldest,
    }
    if found.oldest is None:
        return Finding("", "all loaded whole", values=values)
    tables = [name for name in found.tables if name != noted.ANY]
    lacking = [*tables, *(["END of some"] if noted.ANY in found.tables else [])]
    return Finding(
        "",
        f"{found.transactions:,} loaded in part, the first {span(age(found.oldest))} ago "
        f"({', '.join(lacking)})",
        "events of them never landed: './airline audit' says whether rows differ, "
        f"'./airline resync{f' {tables[0]}' if len(tables) == 1 else ' TABLE'}' brings them back",
        values,
    )

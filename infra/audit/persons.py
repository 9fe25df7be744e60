"""The vault's side of tables with persons: by the book, and by landing's own rule for whoever was
forgotten.

In the vault a token stands for what identifies somebody. Of whoever is in the book the values are
compared. Of the forgotten only the document's lookup is left: the token must be the one that
landing gives that document, and the other values tokens, since nobody knows what they stood for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg2 import sql

import catalogue
from ingest.book import TOKEN, Book


class Persons:
    """The forgotten, as a snapshot of the vault has them. `key`: of the book; without it nobody can
    be recognised.
    """

    def __init__(self, cursor: Any, key: str | None) -> None:
        cursor.execute("select to_regclass('staging_pii.identity') is not null")
        [self.has_book] = cursor.fetchone()
        self._book = Book(key) if key else None
        self._forgotten: dict[str, str] = {}
        if self.has_book and self._book:
            cursor.execute("select encode(lookup, 'hex'), person from staging_pii.forgotten")
            self._forgotten = dict(cursor.fetchall())

    def relation(
        self, table: catalogue.Table, view: sql.Composable, columns: Sequence[str]
    ) -> sql.Composable:
        """The view with the values that its tokens stand for."""
        marked = [name for name in table.personal if name in columns]
        if not (marked and self.has_book):
            return view
        shown, joins = [], []
        for name in columns:
            column = sql.SQL("here.{}").format(sql.Identifier(name))
            if name not in marked:
                shown.append(column)
                continue
            book = sql.Identifier(f"book of {name}")
            token, value = column, sql.SQL("{}.value").format(book)
            if table.modelled[name] == "jsonb":
                token = sql.SQL("{} #>> '{{}}'").format(column)
                value = sql.SQL(
                    "case when pg_input_is_valid({0}, 'jsonb') then {0}::jsonb end"
                ).format(value)
            shown.append(
                sql.SQL("coalesce({}, {}) as {}").format(value, column, sql.Identifier(name))
            )
            joins.append(
                sql.SQL("left join staging_pii.identity as {0} on {0}.token = {1}").format(
                    book, token
                )
            )
        return sql.SQL("(select {} from {} as here {}) as shown").format(
            sql.SQL(", ").join(shown), view, sql.SQL(" ").join(joins)
        )

    def differing(
        self,
        table: catalogue.Table,
        changed: Sequence[str],
        source: dict[str, str | None],
        vault: dict[str, str | None],
    ) -> list[str]:
        """Of the `changed` columns of a row those that do differ. `source`, `vault`: its values."""
        owner = table.person
        document = source.get(owner) if owner else None
        if self._book is None or not self._forgotten or not document or owner is None:
            return list(changed)
        person = self._forgotten.get(self._book.lookup(owner, document))
        if person is None or vault.get(owner) != person:
            return list(changed)
        return [
            name
            for name in changed
            if name not in table.personal or not (source[name] and _is_token(vault[name]))
        ]


def _is_token(value: str | None) -> bool:
    # A document of JSON is a text in quotes.
    return value is not None and TOKEN.fullmatch(value.strip('"')) is not None

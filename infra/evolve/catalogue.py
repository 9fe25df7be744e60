"""The source's tables as PostgreSQL's catalogue has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg2

from infra.settings import PUBLICATION

TABLES = """
select
    class.relname,
    class.relkind::text,
    class.relreplident::text,
    array(
        select attribute.attname::text
        from pg_index as index
        cross join unnest(index.indkey) with ordinality as part (attnum, position)
        inner join pg_attribute as attribute
            on attribute.attrelid = class.oid and attribute.attnum = part.attnum
        where index.indrelid = class.oid and index.indisprimary
        order by part.position
    ),
    (
        select coalesce(published.attnames::text[], '{}')
        from pg_publication_tables as published
        where
            published.pubname = %s
            and published.schemaname = 'public'
            and published.tablename = class.relname
    )
from pg_class as class
where
    class.relnamespace = 'public'::regnamespace
    and class.relkind in ('r', 'p', 'v', 'm', 'f')
    and not class.relispartition
order by class.relname
"""
COLUMNS = """
with base as (
    -- a domain is what it is made of
    select
        class.relname,
        attribute.attrelid,
        attribute.attnum,
        attribute.attname,
        attribute.attgenerated <> '' as is_generated,
        attribute.atthasmissing as has_value_for_old_rows,
        coalesce(nullif(type.typbasetype, 0), type.oid) as type,
        case when type.typbasetype <> 0 then type.typtypmod else attribute.atttypmod end as modifier
    from pg_class as class
    inner join pg_attribute as attribute on attribute.attrelid = class.oid
    inner join pg_type as type on attribute.atttypid = type.oid
    where
        class.relnamespace = 'public'::regnamespace
        and class.relkind in ('r', 'p', 'f')
        and not class.relispartition
        and attribute.attnum > 0
        and not attribute.attisdropped
)

select
    base.relname,
    base.attname,
    format_type(base.type, base.modifier),
    type.typtype = 'e',
    base.is_generated,
    base.has_value_for_old_rows,
    quote_ident(base.attname) <> base.attname,
    coalesce(col_description(base.attrelid, base.attnum), '')
from base
inner join pg_type as type on base.type = type.oid
order by base.relname, base.attnum
"""


@dataclass(frozen=True)
class Column:
    """A column: `type` as format_type writes it, of a domain what it is made of."""

    name: str
    type: str
    is_enum: bool = False
    is_generated: bool = False
    # Added with a default: the rows of before have it without having been written.
    has_value_for_old_rows: bool = False
    needs_quotes: bool = False
    comment: str = ""


@dataclass(frozen=True)
class Table:
    """A table: `kind` is pg_class.relkind, `published` its columns in the publication.

    `published` is None where the table is not in it.
    """

    name: str
    kind: str = "r"
    replica_identity: str = "d"
    key: tuple[str, ...] = ()
    published: frozenset[str] | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)


def read(connection: psycopg2.extensions.connection) -> dict[str, Table]:
    """The tables of the source's schema `public`, by name; views too, without columns."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        columns: dict[str, dict[str, Column]] = {}
        for table, *parts in cursor:
            column = Column(*parts)
            columns.setdefault(table, {})[column.name] = column
        cursor.execute(TABLES, (PUBLICATION,))
        return {
            name: Table(
                name,
                kind,
                identity,
                tuple(key),
                None if published is None else frozenset(published),
                columns.get(name, {}),
            )
            for name, kind, identity, key, published in cursor
        }

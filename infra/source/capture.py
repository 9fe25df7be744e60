"""Checks and repairs what change data capture needs of the source's tables.

Changes of a table that is not published correctly appear in no event, and nothing downstream can
notice. So the catalogue is read for each declared table: does it exist, is it a table, is it
published with all rows, columns and operations, does its replica identity identify deleted rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

import catalogue
from infra.postgres.roles import AUDIT, CDC
from infra.settings import PUBLICATION, SLOT

OPERATIONS = ("insert", "update", "delete", "truncate")
UP = "'./airline up' {}"
_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a composite type",
    "i": "an index",
}
# How long to wait for the lock on a table that is to be altered.
LOCK_TIMEOUT = "20s"


@dataclass(frozen=True)
class Fault:
    """Why changes of a table (of all tables if `table` is None) are not captured correctly.

    `what` describes it and `remedy` says what to do. `loses`: changes made meanwhile are in no
    event, so the table needs a resync. `mends`: `mend` can repair it. `blocks`: a resync of the
    table would fail or soon be wrong again. `is_harmless`: it has a cost, but loses nothing.
    """

    table: str | None
    what: str
    remedy: str
    loses: bool = False
    mends: bool = False
    blocks: bool = True
    is_harmless: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


@dataclass(frozen=True)
class Relation:
    """The relation with a table's name in the schema public. `columns` in their order there."""

    name: str
    oid: int
    kind: str
    persistence: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    # Replica identity. d: the primary key, n: nothing, f: the whole row, i: `identity_columns`.
    identity: str
    identity_columns: tuple[str, ...]
    # Partitions whose own replica identity is not sufficient.
    bare_partitions: tuple[str, ...]
    # The published columns; None if the table is not published.
    published: tuple[str, ...] | None
    is_filtered: bool
    readable: bool
    hides_rows: bool
    # Catalogue ids that change with the publication's entry, replica identities and partitions.
    entry: int | None
    identities: Mapping[str, str] = field(default_factory=dict)
    partitions: tuple[int, ...] = ()
    # Columns that the source computes, and tables that inherit from this one.
    generated: tuple[str, ...] = ()
    heirs: tuple[str, ...] = ()

    @property
    def is_table(self) -> bool:
        return self.kind in "rp"


@dataclass(frozen=True)
class Publication:
    """`version` changes with each ALTER PUBLICATION … SET (…)."""

    oid: int
    version: str
    operations: tuple[str, ...]
    all_tables: bool
    via_root: bool


@dataclass(frozen=True)
class Source:
    """The relevant part of the source's catalogue at one moment."""

    publication: Publication | None
    relations: dict[str, Relation]
    # Tables in the schema public that the project does not declare.
    others: tuple[str, ...]


_RELATIONS = """
select
    class.relname::text,
    class.oid::bigint,
    class.relkind::text,
    class.relpersistence::text,
    array(
        select attribute.attname::text
        from pg_index as index, unnest(index.indkey) with ordinality as part (attnum, position)
        inner join pg_attribute as attribute
            on attribute.attrelid = class.oid and attribute.attnum = part.attnum
        where index.indrelid = class.oid and index.indisprimary
        order by part.position
    ),
    array(
        select attribute.attname::text from pg_attribute as attribute
        where attribute.attrelid = class.oid
            and attribute.attnum > 0 and not attribute.attisdropped
        order by attribute.attnum
    ),
    case
        when class.relreplident <> 'i' then class.relreplident::text
        -- of an index that was dropped nothing is left
        when identity.indisprimary is null then 'n'
        when identity.indisprimary then 'd'
        else 'i'
    end,
    array(
        select attribute.attname::text
        from unnest(identity.indkey) as part (attnum)
        inner join pg_attribute as attribute
            on attribute.attrelid = class.oid and attribute.attnum = part.attnum
    ),
    array(
        select leaf.relname::text
        from pg_partition_tree(class.oid) as part
        inner join pg_class as leaf on leaf.oid = part.relid
        where part.isleaf and leaf.oid <> class.oid
            and not (
                leaf.relreplident = 'f'
                or leaf.relreplident in ('d', 'i') and exists (
                    select from pg_index as index
                    where index.indrelid = leaf.oid and index.indisprimary
                        and (leaf.relreplident = 'd' or index.indisreplident)
                )
            )
        order by leaf.relname
    ),
    published.attnames::text [],
    published.rowfilter is not null,
    coalesce(
        (select has_table_privilege(role.oid, class.oid, 'select') from pg_roles as role
         where role.rolname = %(cdc)s),
        true
    ),
    class.relrowsecurity and exists (
        select from pg_roles as role
        where role.rolname = %(cdc)s and not role.rolsuper and not role.rolbypassrls
            and (class.relforcerowsecurity or not pg_has_role(role.oid, class.relowner, 'usage'))
    ),
    (
        select entry.oid::bigint from pg_publication_rel as entry
        inner join pg_publication as publication on publication.oid = entry.prpubid
        where publication.pubname = %(publication)s and entry.prrelid = class.oid
    ),
    coalesce(
        (
            select jsonb_object_agg(index.indexrelid::text, index.xmin::text)
            from pg_index as index
            where index.indrelid = class.oid and index.indisunique and not index.indisprimary
        ),
        '{}'
    ),
    array(
        select part.relid::oid::bigint from pg_partition_tree(class.oid) as part
        where part.isleaf and part.relid <> class.oid order by 1
    ),
    array(
        select attribute.attname::text from pg_attribute as attribute
        where attribute.attrelid = class.oid
            and attribute.attgenerated <> '' and not attribute.attisdropped
        order by attribute.attnum
    ),
    array(
        select heir.relname::text
        from pg_inherits inner join pg_class as heir on heir.oid = pg_inherits.inhrelid
        where pg_inherits.inhparent = class.oid and not heir.relispartition
        order by heir.relname
    )
from pg_class as class
left join pg_index as identity on identity.indrelid = class.oid and identity.indisreplident
left join pg_publication_tables as published
    on published.pubname = %(publication)s
    and published.schemaname = 'public' and published.tablename = class.relname
where class.relnamespace = 'public'::regnamespace and class.relname = any(%(tables)s)
"""
_PUBLICATION = """
select
    oid::bigint, xmin::text,
    array_remove(array[
        case when pubinsert then 'insert' end, case when pubupdate then 'update' end,
        case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end
    ], null),
    puballtables, pubviaroot
from pg_publication where pubname = %s
"""
_OTHERS = """
select relname::text from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'f')
    and not relispartition and relname <> all(%s)
    -- an extension's own
    and not exists (select from pg_depend where objid = pg_class.oid and deptype = 'e')
order by relname
"""


def read(cursor: Cursor) -> Source:
    """Reads the catalogue; any role may. Raises psycopg2.Error."""
    names = list(catalogue.tables())
    cursor.execute(_PUBLICATION, (PUBLICATION,))
    row = cursor.fetchone()
    publication = Publication(row[0], row[1], tuple(row[2]), *row[3:]) if row else None
    cursor.execute(_RELATIONS, {"cdc": CDC, "publication": PUBLICATION, "tables": names})
    relations = {}
    for row in cursor.fetchall():
        values = [tuple(each) if isinstance(each, list) else each for each in row]
        relations[row[0]] = Relation(*values)
    cursor.execute(_OTHERS, (names,))
    return Source(publication, relations, tuple(name for (name,) in cursor.fetchall()))


def faults(source: Source) -> list[Fault]:
    """What is wrong, the publication first, then by table."""
    found = []
    if source.publication is None:
        found.append(
            Fault(
                None,
                f"the publication {PUBLICATION} is missing, so changes of no table come",
                UP.format("makes it again"),
                loses=True,
                mends=True,
            )
        )
    else:
        lacking = [each for each in OPERATIONS if each not in source.publication.operations]
        if lacking:
            found.append(
                Fault(
                    None,
                    f"the publication {PUBLICATION} leaves out every {' and '.join(lacking)}",
                    UP.format("has it send them again"),
                    loses=True,
                    mends=True,
                )
            )
    for table in catalogue.tables().values():
        found += _of_table(source, table, source.relations.get(table.name))
    return found


def unknown_columns(source: Source) -> dict[str, list[str]]:
    """Table -> its columns that the project does not declare, where there are any."""
    found = {}
    for table in catalogue.tables().values():
        relation = source.relations.get(table.name)
        names = [each for each in relation.columns if each not in table.columns] if relation else []
        if names:
            found[table.name] = names
    return found


def _of_table(source: Source, table: catalogue.Table, now: Relation | None) -> list[Fault]:
    name = table.name

    def fault(what: str, remedy: str, **flags: bool) -> Fault:
        return Fault(name, f"{name} {what}", remedy, **flags)

    if now is None:
        return [
            fault(
                "is missing at the source",
                "rename it back or restore it, or " + UP.format("makes an empty one"),
                loses=True,
            )
        ]
    if not now.is_table:
        return [
            fault(
                f"is {_KINDS.get(now.kind, 'no table')} at the source, of which no change comes",
                f"put the table back under this name, then {UP.format('publishes it')}",
                loses=True,
            )
        ]
    found = []
    if missing := [each for each in table.columns if each not in now.columns]:
        found.append(
            fault(
                f"has no column {', '.join(missing)} at the source",
                "put it back there, or './airline dead-letters' says what cannot be loaded",
                blocks=any(each in table.key for each in missing),
            )
        )
    if computed := [each for each in now.generated if each in table.columns]:
        found.append(
            fault(
                f"has {', '.join(computed)} computed by the source, and no event has what it"
                " computes",
                f"make it a column that is written ('alter table {name} alter {computed[0]} drop"
                f" expression'), then './airline resync {name}'",
                loses=True,
            )
        )
    if now.heirs:
        found.append(
            fault(
                f"has rows of tables that inherit from it ({', '.join(now.heirs)}), of which no"
                " change comes",
                f"'alter table {now.heirs[0]} no inherit {name}'",
                loses=True,
            )
        )
    if now.persistence != "p":
        found.append(
            fault(
                "is not in the source's log (unlogged or temporary)",
                f"alter table {name} set logged, then {UP.format('publishes it')}",
                loses=True,
            )
        )
    elif source.publication is not None:
        found += _publishing(source.publication, now, fault)
    found += _identity(table, now, fault)
    if not now.readable:
        found.append(fault(f"cannot be read by {CDC}", UP.format("lets it")))
    if now.hides_rows:
        found.append(
            fault(
                f"hides rows from {CDC} (row level security), so a fresh reading lacks them",
                f"alter role {CDC} bypassrls",
            )
        )
    return found


def _publishing(publication: Publication, now: Relation, fault) -> list[Fault]:
    if now.published is None:
        if now.kind == "p" and now.entry is not None and not publication.via_root:
            return [
                fault(
                    "is partitioned, and its changes come under the names of its partitions",
                    UP.format("has them come under its own"),
                    loses=True,
                    mends=True,
                )
            ]
        return [
            fault(
                "is not published, so its changes do not come",
                UP.format("publishes it again"),
                loses=True,
                mends=True,
            )
        ]
    found = []
    if now.is_filtered:
        found.append(
            fault(
                "is published with a row filter, so changes of other rows do not come",
                UP.format("publishes it without"),
                loses=True,
                mends=True,
            )
        )
    wanted = catalogue.tables()[now.name].columns
    hidden = [
        each
        for each in now.columns
        if each in wanted and each not in now.published and each not in now.generated
    ]
    if hidden:
        found.append(
            fault(
                f"is published without its columns {', '.join(hidden)}",
                UP.format("publishes all of them"),
                loses=True,
                mends=True,
            )
        )
    return found


def _identity(table: catalogue.Table, now: Relation, fault) -> list[Fault]:
    back = f"alter table {table.name} replica identity default"
    remedy = f"'{back}' or './airline up' mends it"
    if not now.key:
        return [
            fault(
                "has no primary key, so no event says which row it is about",
                f"alter table {table.name} add primary key ({', '.join(table.key)})",
                loses=True,
            )
        ]
    found = []
    if set(now.key) != set(table.key):
        found.append(
            fault(
                f"has the primary key ({', '.join(now.key)}), and the models read"
                f" ({', '.join(table.key)})",
                "make them the same",
                blocks=False,
            )
        )
    match now.identity:
        case "n":
            found.append(
                fault(
                    "has replica identity nothing, so the source refuses to update and delete"
                    " its rows",
                    remedy,
                    mends=True,
                )
            )
        case "f":
            found.append(
                fault(
                    "has replica identity full, so every change logs the whole row",
                    remedy,
                    mends=True,
                    blocks=False,
                    is_harmless=True,
                )
            )
        case "i":
            found.append(
                fault(
                    f"has the replica identity ({', '.join(now.identity_columns)}) and not its"
                    " primary key, so deletes do not say which row they are about",
                    remedy,
                    loses=True,
                    mends=True,
                )
            )
    if now.bare_partitions:
        found.append(
            fault(
                f"has partitions without its primary key as replica identity:"
                f" {', '.join(now.bare_partitions)}",
                "alter table PARTITION replica identity default",
                loses=True,
            )
        )
    return found


def mend(cursor: Cursor, source: Source) -> list[str]:
    """Repairs what `up` owns: the publication and replica identities. Returns what it did.

    A relation that cannot be published (a view) is left out and remains a fault. Needs the owner's
    rights on the tables.
    """
    wrong = [each for each in faults(source) if each.mends]
    done: list[str] = []
    if not wrong:
        return done
    cursor.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
    name = sql.Identifier(PUBLICATION)
    fit = [each for each in source.relations.values() if each.is_table and each.persistence == "p"]
    tables = sql.SQL(", ").join(sql.Identifier("public", each.name) for each in fit)
    options = sql.SQL("(publish = {}, publish_via_partition_root = true)").format(
        sql.Literal(", ".join(OPERATIONS))
    )
    there = source.publication
    if there is None:
        if fit:
            cursor.execute(
                sql.SQL("create publication {} for table {} with {}").format(name, tables, options)
            )
            done.append(f"{PUBLICATION} made again")
    else:
        if set(there.operations) != set(OPERATIONS) or (
            not there.via_root and any(each.kind == "p" for each in fit)
        ):
            cursor.execute(sql.SQL("alter publication {} set {}").format(name, options))
            done.append(f"{PUBLICATION} sends every operation, of partitions under their table")
        unfit = [each.name for each in fit if _is_published_wrong(there, each)]
        if unfit and not there.all_tables:
            cursor.execute(sql.SQL("alter publication {} set table {}").format(name, tables))
            done.append(f"{', '.join(sorted(unfit))} published")
    for each in fit:
        if each.identity != "d" and each.key:
            cursor.execute(
                sql.SQL("alter table {} replica identity default").format(
                    sql.Identifier("public", each.name)
                )
            )
            done.append(f"{each.name} has its primary key as replica identity")
    return done


def _is_published_wrong(publication: Publication, now: Relation) -> bool:
    found = _publishing(
        publication, now, lambda what, remedy, **flags: Fault(now.name, what, remedy, **flags)
    )
    return bool(found)


def let_read(cursor: Cursor, source: Source, roles: tuple[str, ...] = (CDC, AUDIT)) -> None:
    """Grants the roles of Debezium and of Airflow's audit, if they exist, SELECT on the declared
    tables only.
    """
    cursor.execute("select rolname from pg_roles where rolname = any(%s)", (list(roles),))
    there = [sql.Identifier(role) for (role,) in cursor.fetchall()]
    tables = [sql.Identifier("public", name) for name in source.relations]
    if not (there and tables):
        return
    grantees = sql.SQL(", ").join(there)
    cursor.execute(sql.SQL("grant usage on schema public to {}").format(grantees))
    cursor.execute(sql.SQL("grant select on {} to {}").format(sql.SQL(", ").join(tables), grantees))


def was_published(cursor: Cursor) -> bool:
    """Whether changes of this database were read before: whether CDC's slot exists."""
    cursor.execute(
        "select exists (select from pg_replication_slots"
        " where slot_name = %s and database = current_database())",
        (SLOT,),
    )
    return cursor.fetchone()[0]

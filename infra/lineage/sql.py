"""Follows columns through a query. sqlglot reads the SQL; here is what its parts mean for a column.

sqlglot's own lineage follows values alone. A column that filters, joins or groups decides which
rows there are, and so what a mart says; it is followed too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import ClassVar

import sqlglot
from sqlglot import exp, tokens
from sqlglot.dialects.postgres import Postgres

from infra.lineage.deps import NOTHING, ROW, Deps, Origin, Relation, union

# (schema, name) -> the table or view of that name
Known = Callable[[str, str], Relation]
# (alias, column)
Side = tuple[str, str]
Pair = tuple[Side, Side]
# Members of an event that hold a row of the source.
IMAGES = ("after", "before")
# How the functions end that macros/time_travel makes beside the marts.
AS_OF = "_as_of"


class PostgreSQL(Postgres):
    """To sqlglot `f(a -> 'b')` has a function of `a`; PostgreSQL has none, and `->` is JSON's."""

    class Parser(Postgres.Parser):
        LAMBDAS: ClassVar = {
            token: made
            for token, made in Postgres.Parser.LAMBDAS.items()
            if token is not tokens.TokenType.ARROW
        }


def read(text: str, known: Known, columns_of: dict[str, frozenset[str]]) -> Relation:
    """What the result of the query `text` depends on.

    `columns_of`: table of the source -> its columns, which are members of the events' JSON.
    """
    return _Query(sqlglot.parse_one(text, read=PostgreSQL), known, columns_of).result()


class _Query:
    """One query: a SELECT, a set operation or VALUES, alone or inside another one."""

    def __init__(
        self,
        query: exp.Expression,
        known: Known,
        columns_of: dict[str, frozenset[str]],
        outer: _Query | None = None,
        ctes: dict[str, Relation] | None = None,
    ) -> None:
        self.query = query
        self.known = known
        self.columns_of = columns_of
        self.outer = outer
        self.ctes = dict(ctes or {})
        self.sources: dict[str, Relation] = {}
        self.windows: dict[str, exp.Expression] = {}

    def result(self) -> Relation:
        clause = self.query.args.get("with_")
        for cte in clause.expressions if clause else ():
            if clause.recursive and isinstance(cte.this, exp.SetOperation):
                # What it says of itself is what its first part says.
                self.ctes[cte.alias] = _named(self._inside(cte.this.left), cte.args["alias"])
            self.ctes[cte.alias] = _named(self._inside(cte.this), cte.args["alias"])
        if isinstance(self.query, exp.Subquery):
            return self._inside(self.query.this)
        if isinstance(self.query, exp.SetOperation):
            return self._set_operation(self.query)
        if isinstance(self.query, exp.Values):
            return self._values(self.query)
        return self._select(self.query)

    def _inside(self, query: exp.Expression) -> Relation:
        return _Query(query, self.known, self.columns_of, self, self.ctes).result()

    def _set_operation(self, query: exp.SetOperation) -> Relation:
        left, right = self._inside(query.left), self._inside(query.right)
        columns = {
            name: mine | its
            for (name, mine), its in zip(
                left.columns.items(), right.columns.values(), strict=not (left.other or right.other)
            )
        }
        rows = left.rows | right.rows
        if query.args.get("distinct") or not isinstance(query, exp.Union):
            rows |= union(list(columns.values())).as_rows()
        return Relation(columns, rows, left.other)

    def _values(self, query: exp.Values) -> Relation:
        rows = [
            each.expressions if isinstance(each, exp.Tuple) else [each]
            for each in query.expressions
        ]
        columns = {
            f"column{number + 1}": union([self.of(row[number]) for row in rows])
            for number in range(len(rows[0]))
        }
        return _named(Relation(columns), query.args.get("alias"))

    def _select(self, query: exp.Select) -> Relation:
        args = query.args
        self.windows = {each.name: each for each in args.get("windows") or ()}
        rows = self._from(query)
        for part in ("where", "having"):
            if args.get(part):
                rows.append(self.of(args[part].this).as_rows())
        columns, other = self._projections(query)
        if args.get("group"):
            by = [self._by_position(each, columns) for each in args["group"].expressions]
            rows += [each.as_rows() for each in by]
        on = args["distinct"].args.get("on") if args.get("distinct") else None
        if on:
            # One row each, and the order says which one.
            rows.append(self.of(on).as_rows())
            first = self.of(args.get("order")).as_rows()
            keys = {each.sql() for each in _listed(on)}
            for number, each in enumerate(query.expressions):
                if not each.is_star and each.unalias().sql() not in keys:
                    columns[_output(each, number)] |= first
        elif args.get("distinct"):
            rows.append(union(list(columns.values())).as_rows())
        if args.get("order") and args.get("limit"):
            # Which rows are the first ones.
            rows.append(self.of(args["order"]).as_rows())
        is_one_row = not (args.get("group") or args.get("having")) and any(
            _aggregates(each) for each in query.expressions
        )
        return Relation(columns, union(rows), other, self._unique(query), is_one_row)

    # -- FROM

    def _from(self, query: exp.Select) -> list[Deps]:
        """Takes up what the query reads; returns what decides which rows the joins give."""
        first = query.args.get("from_")
        joins = [(each.this, each) for each in query.args.get("joins") or ()]
        equal = list(_equalities(query))
        rows: list[Deps] = []
        for source, join in [*([(first.this, None)] if first else []), *joins]:
            name, relation = self._source(source)
            self.sources[name] = relation
            for each in self.sources:
                self._resolve(each, equal, ())
            parts = _conjuncts(join.args.get("on") if join else None)
            if relation.hash_key and _is_asked_for(name, relation, equal):
                # Every key has its row.
                key = (name, relation.hash_key)
                parts = [each for each in parts if key not in _sides(each)]
            decides = union([relation.rows, *(self.of(each) for each in parts)]).as_rows()
            is_left = join is not None and join.side == "LEFT"
            if relation.is_one_row or (is_left and _is_unique(name, relation, parts)):
                # It adds no row and takes none away: it decides what is read from it.
                self.sources[name] = _with(self.sources[name], decides)
            else:
                rows.append(decides)
        return rows

    def _source(self, source: exp.Expression) -> tuple[str, Relation]:
        alias = source.args.get("alias")
        if isinstance(source, exp.Lateral):
            return source.alias, _named(self._lateral(source.this), alias)
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            name, schema = source.name, source.db
            found = self.ctes.get(name) if not schema else None
            found = found or self.known(schema, name)
            return source.alias or name, _named(found, alias)
        if isinstance(source, (exp.Subquery, exp.Values)):
            return source.alias, _named(self._inside(source), alias)
        # A function that gives rows.
        return source.alias, _named(self._lateral(source), alias)

    def _lateral(self, source: exp.Expression) -> Relation:
        if isinstance(source, (exp.Subquery, exp.Query, exp.Values)):
            return self._inside(source)
        depends = self.of(source)
        if mart := _of_a_moment(source):
            found = self.known(*mart)
            return replace(found, rows=found.rows | depends.as_rows())
        return Relation({}, depends.as_rows(), depends)

    # -- hubs and links

    def _resolve(self, name: str, equal: list[Pair], on_the_way: tuple[str, ...]) -> None:
        """Says of a hub or link what it holds for the key that it is asked for.

        It is filled from several tables of the source. The row of this key has this key's value.
        """
        relation = self.sources[name]
        if not relation.hash_key:
            return
        partners = [
            other
            for pair in equal
            for mine, other in (pair, pair[::-1])
            if mine == (name, relation.hash_key) and other[0] in self.sources
        ]
        for other, column in partners:
            if other in on_the_way:
                continue
            self._resolve(other, equal, (*on_the_way, name))
            if self.sources[other].hash_key:
                # It does not know its own key yet.
                continue
            asked = self.sources[other].column(column) or NOTHING
            tables = {origin.table for origin in asked.all}
            columns = {
                each: asked
                if each == relation.hash_key or each in relation.business_keys
                else Deps(
                    frozenset(origin for origin in deps.value if origin.table in tables),
                    asked.rows,
                )
                for each, deps in relation.columns.items()
            }
            self.sources[name] = replace(relation, columns=columns, hash_key="")
            return

    # -- SELECT

    def _projections(self, query: exp.Select) -> tuple[dict[str, Deps], Deps | None]:
        columns: dict[str, Deps] = {}
        other = None
        for number, each in enumerate(query.expressions):
            if each.is_star:
                wanted = [each.table] if isinstance(each, exp.Column) else list(self.sources)
                for name in wanted:
                    columns |= self.sources[name].columns
                    if self.sources[name].other is not None:
                        other = (other or NOTHING) | self.sources[name].other
            else:
                columns[_output(each, number)] = self.of(each)
        return columns, other

    def _by_position(self, each: exp.Expression, columns: dict[str, Deps]) -> Deps:
        if isinstance(each, exp.Literal) and each.is_int:
            return list(columns.values())[int(each.this) - 1]
        return self.of(each)

    def _unique(self, query: exp.Select) -> set[frozenset[str]]:
        """Sets of columns of the result that no two rows agree on; the empty one: of one row."""
        args = query.args
        shown = {
            each.unalias().sql("postgres"): _output(each, number)
            for number, each in enumerate(query.expressions)
        }
        found: set[frozenset[str]] = set()
        if args.get("limit") and args["limit"].expression.name == "1":
            found.add(frozenset())
        by = None
        if args.get("distinct"):
            by = query.expressions
            if on := args["distinct"].args.get("on"):
                by = _listed(on)
        elif args.get("group"):
            by = args["group"].expressions
        elif any(_aggregates(each) for each in query.expressions):
            by = []
        if by is not None:
            keys = [each.unalias().sql("postgres") for each in by]
            if all(key in shown for key in keys):
                found.add(frozenset(shown[key] for key in keys))
        elif len(self.sources) == 1:
            ((_, relation),) = self.sources.items()
            names = (
                {}
                if not any(each.is_star for each in query.expressions)
                else {name: name for name in relation.columns}
            )
            for number, each in enumerate(query.expressions):
                if isinstance(each.unalias(), exp.Column) and not each.is_star:
                    names[each.unalias().name] = _output(each, number)
            found |= {
                frozenset(names[column] for column in key)
                for key in relation.unique
                if key <= names.keys()
            }
        return found

    # -- expressions

    def of(self, node: exp.Expression | None) -> Deps:
        """What an expression depends on."""
        if node is None:
            return NOTHING
        if isinstance(node, exp.Alias):
            return self.of(node.this)
        if isinstance(node, exp.Paren):
            return self.of(node.this)
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Dot):
            left = self.of(node.this)
            if left.fields is not None and node.expression.name in left.fields:
                return left.fields[node.expression.name]
            return left | self.of(node.expression)
        if isinstance(node, (exp.Subquery, exp.Query)):
            inside = self._inside(node)
            return union([*inside.columns.values(), inside.rows])
        if isinstance(node, (exp.JSONExtract, exp.JSONExtractScalar)):
            return self._member(node)
        parts = list(node.iter_expressions())
        if isinstance(node, exp.Window) and node.alias in self.windows:
            parts += self.windows[node.alias].iter_expressions()
        return union([self.of(each) for each in parts])

    def _column(self, node: exp.Column) -> Deps:
        name, table = node.name, node.table
        query: _Query | None = self
        is_open = False
        while query is not None:
            if table in query.sources:
                found = query.sources[table].column(name)
                if found is not None:
                    return found
            for alias, each in query.sources.items():
                if not table and name in each.columns:
                    return each.columns[name]
                if not table and name == alias:
                    return each.whole()
                is_open = is_open or each.other is not None
            query = query.outer
        if is_open and not table:
            return NOTHING
        raise LookupError(f"{node.sql('postgres')} is a column of nothing that the query reads")

    def _member(self, node: exp.JSONExtract | exp.JSONExtractScalar) -> Deps:
        """A member of JSON. Of a landed event it is a column of the source, or about the event."""
        inside = self.of(node.this)
        keys = [
            part.this
            for part in node.expression.find_all(exp.JSONPathKey)
            if isinstance(part.this, str)
        ]
        if isinstance(node.expression, exp.Literal):
            keys = [node.expression.this]
        if not keys:
            return inside | self.of(node.expression)
        return Deps(
            _narrowed(inside.value, keys, self.columns_of),
            _narrowed(inside.rows, keys, self.columns_of),
        )


def _of_a_moment(source: exp.Expression) -> tuple[str, str] | None:
    """(schema, name) of the mart whose rows a function gives as they were known at a moment."""
    call = source.expression if isinstance(source, exp.Dot) else None
    if not isinstance(call, exp.Anonymous) or not call.name.endswith(AS_OF):
        return None
    return source.this.name, call.name.removesuffix(AS_OF)


def _narrowed(
    origins: frozenset[Origin], keys: list[str], columns_of: dict[str, frozenset[str]]
) -> frozenset[Origin]:
    events = {origin.table for origin in origins if origin.column == ROW}
    found = {origin for origin in origins if origin.table not in events}
    for table in events:
        for key in keys:
            if key in columns_of[table]:
                found.add(Origin(table, key))
                break
        else:
            if keys[-1] in IMAGES:
                found.add(Origin(table, ROW))
    return frozenset(found)


def _with(relation: Relation, decides: Deps) -> Relation:
    return replace(
        relation,
        columns={name: deps | decides for name, deps in relation.columns.items()},
        other=relation.other | decides if relation.other is not None else None,
    )


def _named(relation: Relation, alias: exp.TableAlias | None) -> Relation:
    """The same with the columns' names that the alias gives."""
    names = [each.name for each in alias.columns] if alias is not None else []
    if not names:
        return relation
    if not relation.columns:
        return Relation({name: relation.other or NOTHING for name in names}, relation.rows)
    old = list(relation.columns)
    renamed = dict(zip(old, [*names, *old[len(names) :]], strict=True))
    return replace(
        relation,
        columns={renamed[name]: deps for name, deps in relation.columns.items()},
        unique={frozenset(renamed[name] for name in key) for key in relation.unique},
    )


def _equalities(query: exp.Select) -> Iterator[Pair]:
    """What the joins and the filter say is equal."""
    conditions = [join.args.get("on") for join in query.args.get("joins") or ()]
    if query.args.get("where"):
        conditions.append(query.args["where"].this)
    for condition in conditions:
        for each in _conjuncts(condition):
            if sides := _sides(each):
                yield sides[0], sides[1]


def _listed(on: exp.Expression) -> list[exp.Expression]:
    """The expressions of a `distinct on`."""
    return on.expressions if isinstance(on, exp.Tuple) else [on]


def _is_asked_for(name: str, relation: Relation, equal: list[Pair]) -> bool:
    """Whether a hub or link is read by its hash key."""
    return any((name, relation.hash_key) in pair for pair in equal)


def _conjuncts(condition: exp.Expression | None) -> list[exp.Expression]:
    if condition is None:
        return []
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _sides(condition: exp.Expression) -> list[Side]:
    """(alias, column) on both sides of an equality of two columns."""
    sides = (condition.left, condition.right) if isinstance(condition, exp.EQ) else ()
    if sides and all(isinstance(side, exp.Column) and side.table for side in sides):
        return [(side.table, side.name) for side in sides]
    return []


def _is_unique(name: str, relation: Relation, condition: list[exp.Expression]) -> bool:
    """Whether a join finds one row of `relation` at most."""
    compared = {
        side.name
        for each in condition
        if isinstance(each, exp.EQ)
        for side in (each.left, each.right)
        if isinstance(side, exp.Column) and side.table == name
    }
    return any(key <= compared for key in relation.unique)


def _aggregates(each: exp.Expression) -> bool:
    """Whether an expression makes one row of all."""
    for node in each.walk(prune=lambda node: isinstance(node, (exp.Window, exp.Query))):
        if isinstance(node, exp.AggFunc):
            return True
    return False


def _output(each: exp.Expression, number: int) -> str:
    """The name of a column of a query, as PostgreSQL gives it, or one of its own."""
    return each.output_name or f"column {number + 1}"

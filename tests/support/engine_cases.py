"""What each macro of macros/engine returns, as SQL to run and rows to expect: the same on every
engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.settings import ROOT

CONTRACT = ROOT / "macros" / "engine"


@dataclass(frozen=True)
class Case:
    """Statements with macros in them, run one after another in one transaction.

    The rows of the last one are `rows`, as text; or it fails, and its error has the text `error`.
    """

    macro: str
    statements: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...] = ()
    error: str = ""


def contract() -> dict[str, list[str]]:
    """Macro of the contract -> the names of its arguments."""
    found = {}
    for file in sorted(CONTRACT.glob("*.sql")):
        for name, arguments in re.findall(r"\{% macro (\w+)\((.*?)\)", file.read_text()):
            if not name.startswith("default__") and name != "engine_lacks":
                found[name] = [each for each in arguments.split(", ") if each]
    return found


def _value(macro: str, expression: str, expected: str | None, source: str = "") -> Case:
    """One value: of an expression in Jinja."""
    return Case(macro, (f"select {{{{ {expression} }}}} as found{source}",), ((expected,),))


def _truth(macro: str, condition: str, expected: str | None, source: str = "") -> Case:
    """One condition, SQL: yes, no, or None for NULL. Engines write booleans differently."""
    query = f"select case when {condition} then 'yes' when not ({condition}) then 'no' end{source}"
    return Case(macro, (query,), ((expected,),))


# A text, a number, an empty text, a null and a list.
def _json(text: str) -> str:
    """The JSON of a text without single quotes, as an expression in Jinja."""
    return "json_value(\"'" + text.replace("\\", "\\\\").replace('"', '\\"') + "'\")"


_JSON = _json('{"name": "Ёлка", "price": 12.50, "empty": "", "none": null, "inner": {"a": "b"}}')
_ODD = r'{"a": "q\"b\\c\nd\u001f"}'
_ODD_IMAGE = r'["q\"b\\c\nd\u001f"]'
_NOON = "2026-03-01 12:00:00+00"
_AMOUNTS = (
    " from (select 'a' as name, 2 as amount union all select 'b' as name, 3 as amount) as item"
)


def _moment(text: str) -> str:
    return f"{{{{ moment_literal('{text}') }}}}"


def _same_moment(macro: str, expression: str, expected: str) -> Case:
    """A moment: compared as one, because engines and sessions write it differently."""
    return _truth(macro, f"{{{{ {expression} }}}} = {_moment(expected)}", "yes")


CASES = [
    # JSON
    _value("json_value", f"json_text({_JSON}, 'name')", "Ёлка"),
    _value("json_text", f"json_text({_JSON}, 'price')", "12.50"),
    _value("json_text", f"json_text({_JSON}, 'empty')", ""),
    _value("json_text", f"json_text({_JSON}, 'none')", None),
    _value("json_text", f"json_text({_JSON}, 'missing')", None),
    _value("json_member", f"json_text(json_member({_JSON}, 'inner'), 'a')", "b"),
    _truth("json_member", f"{{{{ json_member({_JSON}, 'missing') }}}} is null", "yes"),
    _truth("json_member", f"{{{{ json_member({_JSON}, 'none') }}}} is null", "no"),
    _value(
        "json_object",
        f"json_text(json_object({{'a': json_member({_JSON}, 'name')}}), 'a')",
        "Ёлка",
    ),
    _value(
        "json_image",
        f"json_image({_JSON}, ['name', 'price', 'empty', 'none', 'missing'])",
        '["Ёлка", 12.50, "", null, null]',
    ),
    # A quote, a backslash, a line break and a control character, as they are hashed.
    _value(
        "json_image",
        f"json_image({_json(_ODD)}, ['a'])",
        _ODD_IMAGE,
    ),
    _truth("json_has_any", f"{{{{ json_has_any({_JSON}, ['other', 'none']) }}}}", "yes"),
    _truth("json_has_any", f"{{{{ json_has_any({_JSON}, ['other', 'another']) }}}}", "no"),
    # Texts, numbers and casts
    _value("cast_to", """cast_to("'-9223372036854775808'", 'bigint')""", "-9223372036854775808"),
    _value("cast_to", """cast_to("'7.1'", 'numeric(10, 2)')""", "7.10"),
    _value("cast_to", """cast_to('null', 'integer')""", None),
    Case("cast_to", ("""select {{ cast_to("'seven'", 'bigint') }}""",), error="seven"),
    _value("as_text", "as_text(7)", "7"),
    _value("as_text", "as_text('null')", None),
    _truth(
        "as_double", "{{ as_double('0.1') }} + {{ as_double('0.2') }} > 0.30000000000000001", "yes"
    ),
    _truth("as_numeric", "{{ as_numeric('0.1') }} + {{ as_numeric('0.2') }} = 0.3", "yes"),
    _truth("is_below_infinity", "{{ is_below_infinity(as_numeric('99999999.99')) }}", "yes"),
    _value("whole_quotient", "whole_quotient('10000 * 2', as_numeric(3))", "6666"),
    _value("whole_quotient", "whole_quotient('-7', as_numeric(2))", "-3"),
    _value("whole_quotient", "whole_quotient(as_numeric(7), 'nullif(1, 1)')", None),
    _value("control_text", "hex_of_text(control_text([29, 30, 31]))", "1d1e1f"),
    _value("hex_of_text", """hex_of_text("'Ёz '")""", "d0817a20"),
    Case(
        "byte_order",
        (
            "select word from (select 'b' as word union all select 'B' as word"
            " union all select 'a' as word) as words order by {{ byte_order('word') }}",
        ),
        (("B",), ("a",), ("b",)),
    ),
    _value(
        "event_number_text", """cast_to(event_number_text("'12.50'"), 'numeric(10, 2)')""", "12.50"
    ),
    # Moments and days
    _same_moment("as_moment", """as_moment("'2026-03-01T15:00:00+03:00'")""", _NOON),
    _same_moment("moment_literal", "moment_literal('2026-03-01 15:00:00+03')", _NOON),
    _truth(
        "beginning_of_time",
        f"{{{{ beginning_of_time() }}}} < {_moment('0001-01-02 00:00:00+00')}",
        "yes",
    ),
    _value(
        "moment_text",
        "moment_text(moment_literal('2026-03-02 02:59:59+03'))",
        "2026-03-01 23:59 UTC",
    ),
    _value("utc_day", "as_text(utc_day(moment_literal('2026-03-02 02:59:59+03')))", "2026-03-01"),
    _value("utc_day", "as_text(utc_day(moment_literal('2026-02-28 23:00:00-01')))", "2026-03-01"),
    _same_moment("utc_midnight", """utc_midnight("date '2026-03-01'")""", "2026-03-01 00:00:00+00"),
    _truth(
        "seconds_between",
        "{{ seconds_between(moment_literal('2026-03-01 12:00:00.000001+00'),"
        " moment_literal('2026-02-28 12:00:00+00')) }} = 86400.000001",
        "yes",
    ),
    _truth(
        "seconds_between",
        "{{ seconds_between(moment_literal('2026-03-01 12:00:00+00'),"
        " moment_literal('2026-03-01 12:00:01.5+00')) }} = -1.5",
        "yes",
    ),
    _truth(
        "hours_times",
        f"{_moment('2026-03-04 12:00:00+00')} - {{{{ hours_times('days', 24) }}}}"
        f" = {_moment(_NOON)}",
        "yes",
        source=" from (select 3 as days) as counted",
    ),
    _value(
        "microseconds_of",
        "microseconds_of(moment_literal('1970-01-01 00:00:01.000007+00'))",
        "1000007",
    ),
    _value(
        "microseconds_of",
        "microseconds_of(moment_literal('9999-12-31 23:59:59.999999+00'))",
        "253402300799999999",
    ),
    _same_moment(
        "moment_of_microseconds",
        "moment_of_microseconds('253402300799999999')",
        "9999-12-31 23:59:59.999999+00",
    ),
    _same_moment(
        "moment_of_microseconds",
        "moment_of_microseconds('1000007')",
        "1970-01-01 00:00:01.000007+00",
    ),
    _same_moment(
        "event_timestamp_text",
        """cast_to(event_timestamp_text("'2026-03-01T12:00:00.000000Z'"), 'timestamptz')""",
        _NOON,
    ),
    _value(
        "moment_of_units", "as_text('(' ~ moment_of_units('-1', 'date', none) ~ ')')", "1969-12-31"
    ),
    _truth(
        "moment_of_units",
        "({{ moment_of_units('1772366400000001', 'timestamp', 1000000) }})"
        " - ({{ moment_of_units('1772366400000', 'timestamp(3)', 1000) }})"
        " = interval '1 microsecond'",
        "yes",
    ),
    # Rows
    Case(
        "rows_of",
        (
            "select item.name, pair.kind, pair.times"
            + _AMOUNTS
            + " cross join {{ rows_of('pair', ['kind', 'times'], "
            """[["'one'", 'item.amount'], ['null', 'item.amount * 2']]) }} order by 1, 3""",
        ),
        (("a", "one", "2"), ("a", None, "4"), ("b", "one", "3"), ("b", None, "6")),
    ),
    Case(
        "numbers_between",
        (
            "select item.name, n"
            + _AMOUNTS
            + " cross join lateral {{ numbers_between('n', 'item.amount', 3) }} order by 1, 2",
        ),
        (("a", "2"), ("a", "3"), ("b", "3")),
    ),
    # Downwards there is none.
    Case("numbers_between", ("select count(*) from {{ numbers_between('n', 3, 2) }}",), (("0",),)),
    Case(
        "days_between",
        (
            "select cast(day as date) as found from {{ days_between('day',"
            """ "date '2026-02-28'", "date '2026-03-01'") }} order by 1""",
        ),
        (("2026-02-28",), ("2026-03-01",)),
    ),
    Case(
        "days_between",
        (
            "select count(*) from {{ days_between('day',"
            """ "date '2026-03-02'", "date '2026-03-01'") }}""",
        ),
        (("0",),),
    ),
    Case(
        "first_of_each",
        (
            "{{ first_of_each('item.name', ['item.name', 'item.amount as most'], "
            """"(select 'a' as name, 1 as amount union all select 'a' as name, 5 as amount"""
            """ union all select 'b' as name, 2 as amount) as item where item.amount < 9","""
            " ['item.amount desc']) }}",
        ),
        (("a", "5"), ("b", "2")),
    ),
    Case(
        "first_match",
        (
            "select item.name, found.amount"
            + _AMOUNTS
            + " left join {% call first_match('found', order_by='other.amount desc') %}"
            " select other.amount from (select 1 as amount union all select 2 as amount) as other"
            " where other.amount < item.amount - 1"
            " {% endcall %} on true order by 1",
        ),
        (("a", None), ("b", "1")),
    ),
    Case(
        "planned_apart",
        (
            "select count(*) from (select item.name"
            + _AMOUNTS
            + " {{ planned_apart() }}) as inner_item",
        ),
        (("2",),),
    ),
    _truth("row_value", "{{ row_value(['1', '2']) }} < {{ row_value(['1', '3']) }}", "yes"),
    _truth("row_value", "{{ row_value(['2', '1']) }} < {{ row_value(['1', '3']) }}", "no"),
    Case(
        "whole_row",
        ("select count(item) from (select {{ whole_row('item') }}" + _AMOUNTS + ") as kept",),
        (("2",),),
    ),
    # Statements of loading and building
    Case(
        "session_in_utc",
        (
            "set time zone 'Asia/Tokyo'",
            "{{ session_in_utc() }}",
            f"select cast({_moment('2026-03-01 23:00:00+00')} as date)",
        ),
        (("2026-03-01",),),
    ),
    Case(
        "take_role", ("{{ take_role('airline_dbt') }}", "select current_user"), (("airline_dbt",),)
    ),
    Case(
        "hold_model",
        (
            "{{ hold_model() }}",
            "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
        ),
        (("1",),),
    ),
    Case(
        "hold_batch",
        ("{{ create_load_batch_tables() }}", "{{ hold_batch() }}"),
        error="this run holds no open load batch",
    ),
    Case(
        "widen",
        (
            "create schema tried; create table tried.narrow (n integer, other integer)",
            "insert into tried.narrow values (7, 8)",
            "create view tried.shown as select n from tried.narrow",
            """{{ widen(["('tried.narrow', 'n', 'bigint')"]) }}""",
            "insert into tried.narrow values (9223372036854775807, 1)",
            "select n from tried.shown order by 1",
        ),
        (("7",), ("9223372036854775807",)),
    ),
    Case(
        "keep_current",
        (
            "create table kept (k integer primary key, a text, b text)",
            "insert into kept values (1, 'old', 'x'), (2, 'goes', 'x'), (3, 'stays', null)",
            "{{ keep_current('kept', 'k', ['k', 'a', 'b'], "
            """"select * from (values (1, 'new', null), (2, null, null), (4, 'comes', 'x'))"""
            """ as c (k, a, b)") }}""",
            "select * from kept order by k",
        ),
        (("1", "new", None), ("3", "stays", None), ("4", "comes", "x")),
    ),
    Case(
        "replace_slices",
        (
            "create table sales (day integer, shop text)",
            "create table computed (day integer, shop text)",
            "insert into sales values (1, 'a'), (2, 'b'), (3, 'c')",
            "insert into computed values (1, 'z'), (2, null)",
            "{{ replace_slices('sales', ['day'], ['shop'], 'day, shop', 'computed') }}",
            "select * from sales order by day",
        ),
        (("1", "z"), ("3", "c")),
    ),
    Case(
        "make_function_of_moment",
        (
            "create schema if not exists dwh_marts",
            "create table {{ this }} (n integer, at timestamptz)",
            "{{ make_function_of_moment('dwh_marts.tried_as_of', 'n, at', 'select 7 as n, $1 as at') }}",
            # again, in place, in an order of its own
            "{{ make_function_of_moment('dwh_marts.tried_as_of', 'n, at', 'select $1 as at, 8 as n') }}",
            f"select n, case when at = {_moment(_NOON)} then 'then' end"
            f" from dwh_marts.tried_as_of({_moment(_NOON)})",
        ),
        (("8", "then"),),
    ),
    Case(
        "keep_results",
        (
            "create temporary table kept_result as select * from dwh_control.node_result",
            "create unique index on kept_result (node_id)",
            *(
                "{{ keep_results('kept_result', [['a', 'a', 'model', 'g', 'a', 's', '"
                + ended
                + "'], ['b', 'b', 'model', 'g', 'b', 's', 'success']]) }}"
                for ended in ("success", "error", "skipped")
            ),
            "select node_id, status, succeeded_at is null, failing_since is null,"
            " skipped_since is null from kept_result order by 1",
        ),
        (("a", "skipped", "False", "False", "False"), ("b", "success", "False", "True", "True")),
    ),
    Case(
        "function_rows",
        (
            "create function tried_at(m timestamptz) returns table (n integer, at timestamptz)"
            " language sql as 'select 7, $1'",
            f"select found.n, case when found.at = {_moment(_NOON)} then 'then' end"
            f" from (select {_moment(_NOON)} as noon) as given"
            " cross join {{ function_rows('tried_at', 'given.noon', 'found') }}",
        ),
        (("7", "then"),),
    ),
    Case(
        "let_read",
        (
            "create schema tried; create table tried.mart (n integer)",
            "create function tried.mart_as_of(timestamptz) returns setof tried.mart"
            " language sql as 'select * from tried.mart'",
            "grant select on tried.mart to airline_ops, airline_dbt",
            "{{ let_read('tried.mart', 'tried.mart_as_of', ['airline_analyst'],"
            " ['airline_ops', 'airline_bi']) }}",
            "select role, has_table_privilege(role, 'tried.mart', 'select'),"
            " has_function_privilege(role, 'tried.mart_as_of(timestamptz)', 'execute')"
            " from unnest(array['airline_analyst', 'airline_ops', 'airline_bi', 'airline_dbt'])"
            " as role",
        ),
        (
            ("airline_analyst", "True", "True"),
            ("airline_ops", "False", "False"),
            ("airline_bi", "False", "False"),
            ("airline_dbt", "True", "False"),
        ),
    ),
    Case(
        "session_may_read",
        (
            "create schema tried; create table tried.apart (n integer); grant usage on schema tried"
            " to airline_analyst",
            "create view tried.shown as select {{ session_may_read('tried.apart') }} as may",
            "grant select on tried.shown to airline_analyst",
            "set local session authorization airline_analyst",
            "select may from tried.shown",
        ),
        (("False",),),
    ),
    Case(
        "pseudonym",
        (
            "create table tried_keys as select v, {{ pseudonym('v') }} as p"
            " from unnest(array['a', 'b', 'a']) as v",
            "select count(*), count(distinct p), count(distinct (v, p)), min(length(p))"
            " from tried_keys",
        ),
        (("3", "2", "2", "18"),),
    ),
]

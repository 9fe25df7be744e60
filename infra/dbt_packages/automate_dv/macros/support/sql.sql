{#- Small pieces of SQL that several macros share. -#}

{%- macro literal(text) -%}
    {{- return("'" ~ (text | string | replace("'", "''")) ~ "'") -}}
{%- endmacro -%}


{#- "!X" is the constant X; anything else is a column or an expression and stays as it is. -#}
{%- macro expression(value) -%}
    {%- if value is string and value.startswith('!') -%}
        {{- return(automate_dv.literal(value[1:])) -}}
    {%- endif -%}
    {{- return(value | string) -}}
{%- endmacro -%}


{#- A name as names are compared: without quotes, ignoring case. -#}
{%- macro bare_name(identifier) -%}
    {%- set text = identifier | string | trim -%}
    {%- if text | length > 1 and text[0] == '"' and text[-1] == '"' -%}
        {%- set text = text[1:-1] | replace('""', '"') -%}
    {%- endif -%}
    {{- return(text | lower) -}}
{%- endmacro -%}


{#- `alias.a, alias.b`; without an alias `a, b`. -#}
{%- macro columns_of(alias, columns) -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}{%- do parts.append(prefix ~ column) -%}{%- endfor -%}
    {{- return(parts | join(', ')) -}}
{%- endmacro -%}


{%- macro same_key(left, right, columns) -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}{%- do parts.append(left ~ '.' ~ column ~ ' = ' ~ right ~ '.' ~ column) -%}{%- endfor -%}
    {{- return(parts | join(' and ')) -}}
{%- endmacro -%}


{%- macro all_not_null(columns) -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}{%- do parts.append(column ~ ' is not null') -%}{%- endfor -%}
    {{- return(parts | join(' and ')) -}}
{%- endmacro -%}


{#- Does the target have an index that starts with a column of the key? Asked at execution only: fetching the newest
    row per key of the batch is the cheapest shape with such an index and a catastrophe (one scan a key) without. -#}
{%- macro target_has_index(target_relation, columns) -%}
    {%- if not execute -%}
        {{- return(false) -}}
    {%- endif -%}
    {%- set names = [] -%}
    {%- for column in columns -%}
        {%- do names.append(automate_dv.literal(automate_dv.bare_name(column))) -%}
    {%- endfor -%}
    {%- set found = run_query(
        "select 1 from pg_catalog.pg_index as i"
        ~ " join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]"
        ~ " where i.indrelid = to_regclass(" ~ automate_dv.literal(target_relation.include(database=false)) ~ ")"
        ~ " and i.indisvalid and i.indpred is null"
        ~ " and lower(a.attname) in (" ~ (names | join(', ')) ~ ") limit 1"
    ) -%}
    {{- return(found.rows | length > 0) -}}
{%- endmacro -%}


{#- The newest row of the target per key of `batch` (a name in the FROM clause), as a query. `order_columns` in
    ascending order of age; the largest is the newest. Indexed: one look-up per key, however long its history.
    Not indexed: one pass over the target that keeps the batch's keys only. -#}
{%- macro newest_of_target(target_relation, batch, key_columns, order_columns, columns) -%}
    {%- set descending = [] -%}
    {%- for column in order_columns -%}{%- do descending.append('t.' ~ column ~ ' desc') -%}{%- endfor -%}
    {%- if automate_dv.target_has_index(target_relation, key_columns) %}
    select newest.*
    from (select distinct {{ automate_dv.columns_of('', key_columns) }} from {{ batch }}) as k
    cross join lateral (
        select {{ automate_dv.columns_of('t', columns) }}
        from {{ target_relation }} as t
        where {{ automate_dv.same_key('t', 'k', key_columns) }}
        order by {{ descending | join(', ') }}
        limit 1
    ) as newest
    {%- else %}
    select distinct on ({{ automate_dv.columns_of('t', key_columns) }}) {{ automate_dv.columns_of('t', columns) }}
    from {{ target_relation }} as t
    where exists (select 1 from {{ batch }} as k where {{ automate_dv.same_key('k', 't', key_columns) }})
    order by {{ automate_dv.columns_of('t', key_columns) }}, {{ descending | join(', ') }}
    {%- endif -%}
{%- endmacro -%}


{#- What follows `from <batch>` to keep the rows whose key the target lacks. The limit keeps the planner from turning the
    look-ups into a pass over the target, which it prefers for a batch of one row in a hundred or so although most of
    an index is in memory. Without an index that pass is the better shape. -#}
{%- macro where_target_lacks(target_relation, batch, key_columns) -%}
    {%- if automate_dv.target_has_index(target_relation, key_columns) %}
left join lateral (
    select true as is_known
    from {{ target_relation }} as target
    where {{ automate_dv.same_key('target', batch, key_columns) }}
    limit 1
) as look_up on true
where look_up.is_known is null
    {%- else %}
where not exists (
    select 1
    from {{ target_relation }} as target
    where {{ automate_dv.same_key('target', batch, key_columns) }}
)
    {%- endif -%}
{%- endmacro -%}


{#- A relation's columns as [{name, identifier}]. Not known while dbt parses, nor when it compiles before the source is
    built: `*` then stands for them all. -#}
{%- macro relation_columns(relation, macro_name, needed) -%}
    {%- set columns = [] -%}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do columns.append({'name': column.name | lower, 'identifier': adapter.quote(column.name)}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if not columns -%}
        {%- if needed and execute and flags.WHICH in ['run', 'build', 'retry'] and model.resource_type == 'model' -%}
            {%- do exceptions.raise_compiler_error(
                "automate_dv." ~ macro_name ~ ": no columns found in " ~ relation ~ ", its source_model. It must be a"
                ~ " table or view that exists (not an ephemeral model): build it first."
            ) -%}
        {%- endif -%}
        {%- do columns.append({'name': '*', 'identifier': '*'}) -%}
    {%- endif -%}
    {{- return(columns) -}}
{%- endmacro -%}

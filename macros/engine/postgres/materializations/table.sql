{#- A table whose rows are computed anew and put in the place of those that are there. See
    _materializations__macros.yml. -#}
{% materialization table, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if not has_columns_of_contract(existing) -%}
        {%- do refuse_to_drop(existing) -%}
        {{ return(dbt.materialization_table_default()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='table') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% call statement('main') -%}
        {#- that of an incremental model may name what it replaces, which is many rows -#}
        {{ replace_rows(target_relation, sql, config.get('unique_key') if config.get('materialized') == 'table') }}
    {%- endcall %}

    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=False)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- Whether a table is there with the columns, types and NOT NULLs of this model's contract. -#}
{% macro has_columns_of_contract(existing) %}
{%- if not execute or existing is none or not existing.is_table or not config.get('contract').enforced -%}
    {{ return(false) }}
{%- endif -%}
{%- set differing -%}
with there as (

    select
        attname::text,
        format_type(atttypid, atttypmod),
        attnotnull
    from pg_attribute
    where attrelid = to_regclass('{{ existing }}') and attnum > 0 and not attisdropped

),

wanted as (

    {% for column in model.columns.values() -%}
    select
        '{{ column.name }}',
        format_type(to_regtype('{{ column.data_type }}'), to_regtypemod('{{ column.data_type }}')),
        {{ 'not_null' in column.constraints | map(attribute='type') | map('string') | list }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}

)

select count(*)
from ((table there except table wanted) union all (table wanted except table there)) as differing
{%- endset -%}
{{ return(run_query(differing)[0][0] == 0) }}
{% endmacro %}


{#- Puts the rows of `sql` in the place of a table's rows, and locks out no reader: who has begun to read goes on in
    the old rows. With a unique key (one column or several, unique by an index) only what differs is written. -#}
{% macro replace_rows(relation, sql, unique_key) %}
{%- set rows = adapter.quote(relation.identifier ~ '__rows') -%}
{%- set columns = model.columns | list -%}
{%- set keys = [unique_key] if unique_key is string else (unique_key or []) -%}
{%- set values = columns | reject('in', keys) | list -%}
set local lock_timeout = '{{ var('lock_patience') }}';
create temporary table {{ rows }} (like {{ relation }}) on commit drop;
{{ get_assert_columns_equivalent(sql) }}
insert into {{ rows }} ({{ columns | join(', ') }})
{{ get_select_subquery(sql) }};
analyze {{ rows }};

delete from {{ relation }} as kept
{%- if keys %}
where
    not exists (
        select
        from {{ rows }} as computed
        where
            {%- for key in keys %}
            {{ 'and ' if not loop.first }}computed.{{ key }} = kept.{{ key }}
            {%- endfor %}
    )
{%- endif %};

insert into {{ relation }} as kept ({{ columns | join(', ') }})
select {{ columns | join(', ') }}
from {{ rows }}
{%- if keys %}
on conflict ({{ keys | join(', ') }})
{%- if values %} do update
set ({{ values | join(', ') }}) = row(excluded.{{ values | join(', excluded.') }})
where
    row(kept.{{ values | join(', kept.') }})
    is distinct from row(excluded.{{ values | join(', excluded.') }})
{%- else %} do nothing
{%- endif %}
{%- endif %}
{% endmacro %}

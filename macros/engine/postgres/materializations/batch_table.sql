{#- A table that holds the newest batch: truncated and filled in one transaction. dbt's `table` creates another one,
    renames both and drops the old one, which costs more than a small batch and bloats the catalog at every load.
    It is created again if its columns changed, or by --full-refresh. -#}
{% materialization batch_table, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set columns = none -%}
    {%- if existing is not none and existing.is_table and not should_full_refresh() -%}
        {%- set columns = adapter.get_column_schema_from_query(get_empty_subquery_sql(sql)) | map(attribute='name') | list -%}
        {%- set present = adapter.get_columns_in_relation(existing) | map(attribute='name') | list -%}
    {%- endif -%}
    {%- if columns is none or columns | sort != present | sort -%}
        {%- do refuse_to_drop(existing) -%}
        {{ return(dbt.materialization_table_default()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='table') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% call statement('main') -%}
        do $empty$
        {% call patiently(target_relation) %}truncate table {{ target_relation }};{% endcall %}
        $empty$;
        insert into {{ target_relation }} ({{ columns | join(', ') }})
        {{ sql }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

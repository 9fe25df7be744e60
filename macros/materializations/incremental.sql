{#- Appending to a table that is there: one INSERT. dbt makes a temporary table first, and asks the catalog about
    it four times over: for a small batch into 33 tables that is most of a load, and in continuous loading it
    bloats the catalog. Everything else is dbt's own. -#}
{% materialization incremental, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if config.get('incremental_strategy') != 'append' or existing is none or existing.is_view or should_full_refresh() -%}
        {{ return(dbt.materialization_incremental_default()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='table') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- set columns = adapter.get_column_schema_from_query(get_empty_subquery_sql(sql)) | map(attribute='name') | list -%}
    {%- set present = adapter.get_columns_in_relation(existing) | map(attribute='name') | list -%}
    {%- if columns | sort != present | sort -%}
        {{ exceptions.raise_compiler_error(
            this ~ " has the columns " ~ present | join(", ") ~ ", its model makes " ~ columns | join(", ")
            ~ ". Load it from the first event: dbt run --full-refresh --select +" ~ model.name
        ) }}
    {%- endif -%}

    {% call statement('main') -%}
        insert into {{ target_relation }} ({{ columns | map('string') | join(', ') }})
        {{ sql }}
    {%- endcall %}

    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=False)) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- The strategies append and keep_current in one statement. dbt creates a temporary table first and queries the catalog
    about it four times: for a small batch into 35 tables that is most of a load, and continuous loading bloats the
    catalog. Everything else is dbt's own. -#}
{% materialization incremental, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set strategy = config.get('incremental_strategy') -%}
    {%- if existing is not none and should_full_refresh() and has_columns_of_contract(existing) -%}
        {{ return(materialization_table_postgres()) }}
    {%- endif -%}
    {%- if existing is not none and (existing.is_view or should_full_refresh()) -%}
        {%- do refuse_to_drop(existing) -%}
    {%- endif -%}
    {%- if strategy not in ['append', 'keep_current'] or existing is none or existing.is_view or should_full_refresh() -%}
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
        {%- if strategy == 'append' %}
        insert into {{ target_relation }} ({{ columns | map('string') | join(', ') }})
        {{ sql }}
        {%- else %}
        {{ get_incremental_keep_current_sql({
            'target_relation': target_relation, 'unique_key': config.require('unique_key'), 'columns': columns, 'sql': sql
        }) }}
        {%- endif %}
    {%- endcall %}

    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=False)) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- Views are replaced in place, and only where their text is another. dbt-postgres renames the old view away and
    drops it with everything on top of it: the marts that dashboards read would be gone from the rebuild of a view
    below them until their own. Only where the columns changed, so that PostgreSQL cannot replace, is a view dropped.
    See _materializations__macros.yml. -#}
{% materialization view, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing is not none and not existing.is_view -%}
        {%- do refuse_to_drop(existing) -%}
        {{ adapter.drop_relation(existing) }}
    {%- endif -%}

    {%- set wanted = adapter.quote(this.identifier ~ '__wanted') %}
    {% call statement('main', fetch_result=true) -%}
        {%- if config.get('contract').enforced -%}
            {{ get_assert_columns_equivalent(sql) }}
        {%- endif %}
        do $create_view$
        declare
            is_there boolean;
        begin
            perform set_config('airline.view_has_other_columns', 'no', true);
            create temporary view {{ wanted }} as (
                {{ sql }}
            );
            is_there := pg_get_viewdef('pg_temp.{{ wanted }}'::regclass) = pg_get_viewdef(to_regclass('{{ target_relation }}'));
            drop view pg_temp.{{ wanted }};
            -- A view that is replaced locks its readers out, and waits for those who are in it.
            if is_there then
                return;
            end if;
            {% call patiently(target_relation) %}
            begin
                create or replace view {{ target_relation }} as (
                    {{ sql }}
                );
            exception when invalid_table_definition then
                perform set_config('airline.view_has_other_columns', 'yes', true);
            end;
            {% endcall %}
        end
        $create_view$;
        select current_setting('airline.view_has_other_columns')
    {%- endcall %}
    {%- if load_result('main')['data'][0][0] == 'yes' -%}
        {%- do refuse_to_drop(existing) %}
        {% call statement('make_anew') -%}
            do $make_anew$
            declare
                grants text[];
                command text;
            begin
                {% call patiently(target_relation) %}
                grants := {{ grants_of("to_regclass('" ~ target_relation ~ "')", "'" ~ target_relation ~ "'") }};
                drop view {{ target_relation }} cascade;
                create view {{ target_relation }} as (
                    {{ sql }}
                );
                {{ make_grants('grants') }}
                {% endcall %}
            end
            $make_anew$
        {%- endcall %}
    {%- endif %}

    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=True)) -%}
    {%- do persist_docs(target_relation, model) -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- A table of the schema that holds the load batches: `load_batch`, `load_batch_range`, `load_batch_run`.
    They are no models: they must outlive a full refresh. -#}
{% macro load_batch_relation(name) -%}
    {{ api.Relation.create(database=target.database, schema='dwh_control', identifier=name) }}
{%- endmacro %}


{#- The unique ids of the models that make up one load: everything tagged `vault`. -#}
{% macro load_batch_models() %}
    {%- set ids = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and 'vault' in node.tags -%}
        {%- do ids.append(node.unique_id) -%}
    {%- endfor -%}
    {{ return(ids) }}
{% endmacro %}


{#- Those of them that are tables: a view shows a batch without being built again. -#}
{% macro load_batch_tables_to_build() %}
    {%- set ids = [] -%}
    {%- for id in load_batch_models() if graph.nodes[id].config.materialized != 'view' -%}
        {%- do ids.append(id) -%}
    {%- endfor -%}
    {{ return(ids) }}
{% endmacro %}


{#- The source tables whose changes are loaded, in a stable order. -#}
{% macro load_batch_tables() %}
    {%- set names = [] -%}
    {%- for source in graph.sources.values() if source.source_name == 'staging' and source.name != 'transaction' -%}
        {%- do names.append(source.name) -%}
    {%- endfor -%}
    {{ return(names | sort) }}
{% endmacro %}


{#- Whether this invocation loads: `run` and `build` of vault models. `--empty` builds empty tables to check
    SQL and must not count as a load. -#}
{% macro load_batch_is_wanted() %}
    {%- if not execute or flags.WHICH not in ['run', 'build', 'retry'] or flags.EMPTY -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set vault = load_batch_models() -%}
    {{ return(selected_resources | select('in', vault) | list | length > 0) }}
{% endmacro %}


{#- dbt sets the profile's role when it connects, but a rollback before hooks undoes that. -#}
{% macro load_batch_role() -%}
    {%- if target.role -%}{{ take_role(target.role) }}{%- endif -%}
{%- endmacro %}


{#- The hashed stage of a source table. Not by ref(), which does not work in on-run-start hooks. -#}
{% macro load_batch_stage(table_name) -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == 'vst_' ~ table_name -%}
        {{ api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) }}
    {%- endfor -%}
{%- endmacro %}

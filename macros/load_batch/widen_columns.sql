{#- Gives columns of stages, satellites and kept tables the wider type that the models now have. Runs in the transaction
    that opens a batch. See _load_batch__macros.yml. -#}
{% macro widen_columns() %}
{%- set columns = [] -%}
{%- for table_name in load_batch_tables() -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and holds_columns_of(node, table_name) -%}
        {%- for column, type in load_batch_source(table_name).meta.columns.items() if type in ['numeric', 'bigint'] -%}
            {%- do columns.append("('" ~ node.schema ~ "." ~ node.alias ~ "', '" ~ column ~ "', '" ~ type ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endfor -%}
{%- if columns %}
    {{ widen(columns) }}
{%- endif -%}
{% endmacro %}


{#- Whether a model is a table with columns of a source table: its hashed stage, a satellite, or kept rows. -#}
{% macro holds_columns_of(node, table_name) %}
    {%- if node.name in ['vst_' ~ table_name, 'kept_' ~ table_name] -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return('satellites' in node.fqn and node.depends_on.nodes | select('equalto', 'model.airline.vst_' ~ table_name) | list | length > 0) }}
{% endmacro %}

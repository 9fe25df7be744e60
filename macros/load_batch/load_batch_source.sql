{#- Columns of a source table that are known to be gone: variable dropped_columns, a list of "table.column". -#}
{% macro dropped_columns(table_name) %}
    {%- set names = [] -%}
    {%- for name in var('dropped_columns') if name.split('.')[0] == table_name -%}
        {%- do names.append(name.split('.')[1]) -%}
    {%- endfor -%}
    {{ return(names) }}
{% endmacro %}


{#- The source table of the schema `staging` by its name, or none. -#}
{% macro load_batch_source(table_name) %}
    {%- for source in graph.sources.values() if source.source_name == 'staging' and source.name == table_name -%}
        {{ return(source) }}
    {%- endfor -%}
    {{ return(none) }}
{% endmacro %}

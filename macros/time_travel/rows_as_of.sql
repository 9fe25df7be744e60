{#- What follows `cross join`: the rows of a mart as they were known at a moment. See _time_travel__macros.yml. -#}
{% macro rows_as_of(mart, moment, name) -%}
    {%- set relation = ref(mart) -%}
    {%- if execute -%}
        {%- set node = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | selectattr('name', 'equalto', mart) | first -%}
        {{ function_rows(as_of_function_name(node), moment, name) }}
    {%- endif -%}
{%- endmacro %}

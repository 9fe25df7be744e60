{#- A folder's `+schema` is the schema's name. dbt's default would prefix it with the profile's schema
    (`dwh_marts_dwh_detailed`), and the names of the layers are promised to people and dashboards. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- else -%}
        {{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}

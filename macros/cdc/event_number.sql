{#- A number from `row_image`. See _cdc__macros.yml. -#}
{% macro event_number(column, type) -%}
    {{ cast_to(event_number_text(json_text('row_image', column)), type) }}
{%- endmacro %}

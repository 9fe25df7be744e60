{#- The given columns of `row_image` as one JSON text. See _cdc__macros.yml. -#}
{% macro exact_image(columns) -%}
    jsonb_build_array({% for column in columns %}row_image -> '{{ column }}'{{ ', ' if not loop.last }}{% endfor %})::text
{%- endmacro %}

{#- The given columns of `row_image` as one JSON text. See _cdc__macros.yml. -#}
{% macro exact_image(columns) -%}
    jsonb_build_array({% for column in columns %}row_image -> '{{ column }}'{{ ', ' if not loop.last }}{% endfor %})::text
{%- endmacro %}


{#- The same for columns that were added to the source later; null for an event without them. See _cdc__macros.yml. -#}
{% macro added_image(columns) -%}
    case when row_image ?| array['{{ columns | join("', '") }}'] then {{ exact_image(columns) }} end
{%- endmacro %}

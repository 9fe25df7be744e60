{#- The given columns of `row_image` as one JSON text. See _cdc__macros.yml. -#}
{% macro exact_image(columns) -%}
    {{ json_image('row_image', columns) }}
{%- endmacro %}


{#- The same for columns that were added to the source later; null for an event without them. See _cdc__macros.yml. -#}
{% macro added_image(columns) -%}
    case when {{ json_has_any('row_image', columns) }} then {{ exact_image(columns) }} end
{%- endmacro %}

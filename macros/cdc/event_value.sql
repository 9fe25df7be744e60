{#- A column of `row_image` whose text in the event is that of its type. See _cdc__macros.yml. -#}
{% macro event_value(column, type='text') -%}
    {{ json_text('row_image', column) if type == 'text' else cast_to(json_text('row_image', column), type) }}
{%- endmacro %}

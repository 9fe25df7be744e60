{#- A timestamp with time zone, from `row_image`. See _cdc__macros.yml. -#}
{% macro event_timestamp(column) -%}
    {{ cast_to(event_timestamp_text(json_text('row_image', column)), 'timestamptz') }}
{%- endmacro %}


{#- A regular expression for a timestamp in an event. -#}
{% macro event_timestamp_pattern() -%}
^([+]?[0-9]{4,6}|-[0-9]{4})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6}0*)?)?(Z|[+-][0-9]{2}:?[0-9]{2})$|^-?infinity$
{%- endmacro %}

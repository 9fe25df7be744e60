{#- A timestamp with time zone, from `row_image`. See _cdc__macros.yml. -#}
{% macro event_timestamp(column) -%}
    ({{ event_timestamp_text("row_image ->> '" ~ column ~ "'") | indent(4) }})::timestamptz
{%- endmacro %}


{#- The text of a timestamp as PostgreSQL reads it. Debezium writes ISO 8601: years beyond 9999 have a sign, and those
    before Christ are counted from the year 0, which is 1 BC ("+20000-01-01T…", "0000-12-31T…", "-0043-03-15T…"). -#}
{% macro event_timestamp_text(text) -%}
    case
        when left({{ text }}, 1) = '+' then substr({{ text }}, 2)
        when {{ text }} ~ '^(0000|-[0-4][0-9]{3})-' then
            lpad((1 - substring({{ text }} from '^-?[0-9]{4}')::integer)::text, 4, '0')
            || regexp_replace({{ text }}, '^-?[0-9]{4}', '') || ' BC'
        else {{ text }}
    end
{%- endmacro %}


{#- A regular expression for a timestamp in an event. -#}
{% macro event_timestamp_pattern() -%}
^([+]?[0-9]{4,6}|-[0-9]{4})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6}0*)?)?(Z|[+-][0-9]{2}:?[0-9]{2})$|^-?infinity$
{%- endmacro %}

{#- A timestamp of `row_image`. Debezium writes years beyond 9999 with a sign and years before Christ with a minus
    ("+20000-01-01T…", "-0043-03-15T…", the year 0 being 1 BC): ISO 8601, which PostgreSQL does not read. -#}
{% macro event_timestamp(column) -%}
    {%- set text = "row_image ->> '" ~ column ~ "'" -%}
    case
            when left({{ text }}, 1) = '+' then substr({{ text }}, 2)::timestamptz
            when {{ text }} ~ '^-[0-9]' then
                (
                    lpad((1 + split_part({{ text }}, '-', 2)::integer)::text, 4, '0')
                    || regexp_replace({{ text }}, '^-[0-9]+', '') || ' BC'
                )::timestamptz
            else ({{ text }})::timestamptz
        end
{%- endmacro %}

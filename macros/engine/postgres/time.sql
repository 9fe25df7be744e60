{% macro postgres__as_moment(text) -%}
    cast({{ text }} as timestamptz)
{%- endmacro %}


{% macro postgres__moment_literal(text) -%}
    timestamptz '{{ text }}'
{%- endmacro %}


{% macro postgres__beginning_of_time() -%}
    timestamptz '-infinity'
{%- endmacro %}


{#- Not date_trunc or a bare cast: both follow the session's time zone. -#}
{% macro postgres__moment_text(moment) -%}
    to_char({{ moment }} at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
{%- endmacro %}


{% macro postgres__utc_day(moment) -%}
    cast(({{ moment }}) at time zone 'UTC' as date)
{%- endmacro %}


{% macro postgres__utc_midnight(day) -%}
    (cast({{ day }} as timestamp) at time zone 'UTC')
{%- endmacro %}


{% macro postgres__seconds_between(later, earlier) -%}
    extract(epoch from {{ later }} - {{ earlier }})
{%- endmacro %}


{% macro postgres__hours_times(number, hours) -%}
    {{ number }} * interval '{{ hours }} hours'
{%- endmacro %}


{% macro postgres__microseconds_of(moment) -%}
    (extract(epoch from {{ moment }}) * 1000000)::bigint
{%- endmacro %}


{#- Seconds and their fraction separately: an interval is computed from a double, exact up to 2^53 only. -#}
{% macro postgres__moment_of_microseconds(number) -%}
    timestamptz 'epoch' + {{ number }} / 1000000 * interval '1 second'
    + {{ number }} % 1000000 * interval '1 microsecond'
{%- endmacro %}


{#- Years beyond 9999 have no sign here, and those before Christ are called BC. -#}
{% macro postgres__event_timestamp_text(text) -%}
    case
        when left({{ text }}, 1) = '+' then substr({{ text }}, 2)
        when {{ text }} ~ '^(0000|-[0-4][0-9]{3})-' then
            lpad((1 - substring({{ text }} from '^-?[0-9]{4}')::integer)::text, 4, '0')
            || regexp_replace({{ text }}, '^-?[0-9]{4}', '') || ' BC'
        else {{ text }}
    end
{%- endmacro %}


{% macro postgres__moment_of_units(number, type, per_second) -%}
    {%- if type == 'date' -%}
    date '1970-01-01' + ({{ number }})::integer
    {%- elif type.startswith('timestamp') -%}
    {#- Seconds and their fraction separately: an interval is computed from a double, exact up to 2^53 only. -#}
    timestamp '1970-01-01' + {{ number }} / {{ per_second }} * interval '1 second'
        + {{ number }} % {{ per_second }} * interval '1 second' / {{ per_second }}
    {%- else -%}
    time '00:00' + {{ number }} * interval '1 second' / {{ per_second }}
    {%- endif -%}
{%- endmacro %}

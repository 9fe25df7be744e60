{#- A date, time or timestamp without time zone of `row_image`. See _cdc__macros.yml. -#}
{% macro event_moment(column, type) -%}
    {%- set value = "(row_image ->> '" ~ column ~ "')::bigint" -%}
    {%- if type == 'date' -%}
    date '1970-01-01' + ({{ value }})::integer
    {%- elif type.startswith('timestamp') -%}
    {#- Seconds apart: an interval is made of a floating-point number, exact to 2^53. -#}
    timestamp '1970-01-01' + {{ value }} / {{ event_units()[type].second }} * interval '1 second'
        + {{ value }} % {{ event_units()[type].second }} * interval '1 second' / {{ event_units()[type].second }}
    {%- else -%}
    time '00:00' + {{ value }} * interval '1 second' / {{ event_units()[type].second }}
    {%- endif -%}
{%- endmacro %}


{#- How Debezium counts what has no time zone, by the type's name in _staging__sources.yml: units a second, and the least
    and the most that PostgreSQL's type holds. -#}
{% macro event_units() -%}
    {{ return({
        'date': {'second': none, 'least': -2440588, 'most': 2145031948},
        'time': {'second': 1000000, 'least': 0, 'most': 86399999999},
        'time(3)': {'second': 1000, 'least': 0, 'most': 86399999},
        'timestamp': {'second': 1000000, 'least': -210866803200000000, 'most': 9223371331199999999},
        'timestamp(3)': {'second': 1000, 'least': -210866803200000, 'most': 9223371331199999}
    }) }}
{%- endmacro %}

{#- A date, time or timestamp without time zone, from `row_image`. See _cdc__macros.yml. -#}
{% macro event_moment(column, type) -%}
    {{ moment_of_units(event_value(column, 'bigint'), type, event_units()[type].second) }}
{%- endmacro %}


{#- How Debezium encodes types without time zone, by their name in _staging__sources.yml: units per second, and the least
    and greatest value of PostgreSQL's type. -#}
{% macro event_units() -%}
    {{ return({
        'date': {'second': none, 'least': -2440588, 'most': 2145031948},
        'time': {'second': 1000000, 'least': 0, 'most': 86399999999},
        'time(3)': {'second': 1000, 'least': 0, 'most': 86399999},
        'timestamp': {'second': 1000000, 'least': -210866803200000000, 'most': 9223371331199999999},
        'timestamp(3)': {'second': 1000, 'least': -210866803200000, 'most': 9223371331199999}
    }) }}
{%- endmacro %}

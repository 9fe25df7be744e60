{% macro postgres__cast_to(value, type) -%}
    ({{ value }})::{{ type }}
{%- endmacro %}


{% macro postgres__as_text(value) -%}
    {{ value }}::text
{%- endmacro %}


{% macro postgres__as_double(value) -%}
    cast({{ value }} as double precision)
{%- endmacro %}


{% macro postgres__as_numeric(value) -%}
    cast({{ value }} as numeric)
{%- endmacro %}


{#- NaN is greater than everything to PostgreSQL. -#}
{% macro postgres__is_below_infinity(number) -%}
    {{ number }} < numeric 'Infinity'
{%- endmacro %}


{% macro postgres__whole_quotient(dividend, divisor) -%}
    div({{ dividend }}, {{ divisor }})
{%- endmacro %}


{% macro postgres__control_text(codes) -%}
    E'{% for code in codes %}{{ '\\x%02x' | format(code) }}{% endfor %}'
{%- endmacro %}


{% macro postgres__hex_of_text(text) -%}
    encode(convert_to({{ text }}, 'UTF8'), 'hex')
{%- endmacro %}


{% macro postgres__byte_order(text) -%}
    {{ text }} collate "C"
{%- endmacro %}


{% macro postgres__event_number_text(text) -%}
    case {{ text }}
        when 'POSITIVE_INFINITY' then 'Infinity'
        when 'NEGATIVE_INFINITY' then '-Infinity'
        else {{ text }}
    end
{%- endmacro %}

{#- Texts, numbers and casts: what engines spell differently. What each macro returns is in README.md. -#}
{% macro cast_to(value, type) -%}
    {{ adapter.dispatch('cast_to', 'airline')(value, type) }}
{%- endmacro %}


{% macro default__cast_to(value, type) %}{{ engine_lacks('cast_to') }}{% endmacro %}


{% macro as_text(value) -%}
    {{ adapter.dispatch('as_text', 'airline')(value) }}
{%- endmacro %}


{% macro default__as_text(value) %}{{ engine_lacks('as_text') }}{% endmacro %}


{% macro as_double(value) -%}
    {{ adapter.dispatch('as_double', 'airline')(value) }}
{%- endmacro %}


{% macro default__as_double(value) %}{{ engine_lacks('as_double') }}{% endmacro %}


{% macro as_numeric(value) -%}
    {{ adapter.dispatch('as_numeric', 'airline')(value) }}
{%- endmacro %}


{% macro default__as_numeric(value) %}{{ engine_lacks('as_numeric') }}{% endmacro %}


{% macro is_below_infinity(number) -%}
    {{ adapter.dispatch('is_below_infinity', 'airline')(number) }}
{%- endmacro %}


{% macro default__is_below_infinity(number) %}{{ engine_lacks('is_below_infinity') }}{% endmacro %}


{% macro whole_quotient(dividend, divisor) -%}
    {{ adapter.dispatch('whole_quotient', 'airline')(dividend, divisor) }}
{%- endmacro %}


{% macro default__whole_quotient(dividend, divisor) %}{{ engine_lacks('whole_quotient') }}{% endmacro %}


{% macro control_text(codes) -%}
    {{ adapter.dispatch('control_text', 'airline')(codes) }}
{%- endmacro %}


{% macro default__control_text(codes) %}{{ engine_lacks('control_text') }}{% endmacro %}


{% macro hex_of_text(text) -%}
    {{ adapter.dispatch('hex_of_text', 'airline')(text) }}
{%- endmacro %}


{% macro default__hex_of_text(text) %}{{ engine_lacks('hex_of_text') }}{% endmacro %}


{% macro byte_order(text) -%}
    {{ adapter.dispatch('byte_order', 'airline')(text) }}
{%- endmacro %}


{% macro default__byte_order(text) %}{{ engine_lacks('byte_order') }}{% endmacro %}


{% macro event_number_text(text) -%}
    {{ adapter.dispatch('event_number_text', 'airline')(text) }}
{%- endmacro %}


{% macro default__event_number_text(text) %}{{ engine_lacks('event_number_text') }}{% endmacro %}

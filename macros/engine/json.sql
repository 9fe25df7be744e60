{#- JSON: what engines spell differently. What each macro returns is in README.md. -#}
{% macro json_value(text) -%}
    {{ adapter.dispatch('json_value', 'airline')(text) }}
{%- endmacro %}


{% macro default__json_value(text) %}{{ engine_lacks('json_value') }}{% endmacro %}


{% macro json_text(value, member) -%}
    {{ adapter.dispatch('json_text', 'airline')(value, member) }}
{%- endmacro %}


{% macro default__json_text(value, member) %}{{ engine_lacks('json_text') }}{% endmacro %}


{% macro json_member(value, member) -%}
    {{ adapter.dispatch('json_member', 'airline')(value, member) }}
{%- endmacro %}


{% macro default__json_member(value, member) %}{{ engine_lacks('json_member') }}{% endmacro %}


{% macro json_object(members) -%}
    {{ adapter.dispatch('json_object', 'airline')(members) }}
{%- endmacro %}


{% macro default__json_object(members) %}{{ engine_lacks('json_object') }}{% endmacro %}


{% macro json_image(value, members) -%}
    {{ adapter.dispatch('json_image', 'airline')(value, members) }}
{%- endmacro %}


{% macro default__json_image(value, members) %}{{ engine_lacks('json_image') }}{% endmacro %}


{% macro json_has_any(value, members) -%}
    {{ adapter.dispatch('json_has_any', 'airline')(value, members) }}
{%- endmacro %}


{% macro default__json_has_any(value, members) %}{{ engine_lacks('json_has_any') }}{% endmacro %}

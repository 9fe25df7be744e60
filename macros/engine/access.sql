{#- Who reads what, and what others see: what engines spell differently. What each macro returns is in README.md. -#}
{% macro let_read(relation, function, readers, others) -%}
    {{ adapter.dispatch('let_read', 'airline')(relation, function, readers, others) }}
{%- endmacro %}


{% macro default__let_read(relation, function, readers, others) %}{{ engine_lacks('let_read') }}{% endmacro %}


{% macro session_may_read(relation) -%}
    {{ adapter.dispatch('session_may_read', 'airline')(relation) }}
{%- endmacro %}


{% macro default__session_may_read(relation) %}{{ engine_lacks('session_may_read') }}{% endmacro %}


{% macro pseudonym(value) -%}
    {{ adapter.dispatch('pseudonym', 'airline')(value) }}
{%- endmacro %}


{% macro default__pseudonym(value) %}{{ engine_lacks('pseudonym') }}{% endmacro %}

{#- Rows: what engines spell differently. What each macro returns is in README.md. -#}
{% macro rows_of(name, columns, rows) -%}
    {{ adapter.dispatch('rows_of', 'airline')(name, columns, rows) }}
{%- endmacro %}


{% macro default__rows_of(name, columns, rows) %}{{ engine_lacks('rows_of') }}{% endmacro %}


{% macro numbers_between(name, first, last) -%}
    {{ adapter.dispatch('numbers_between', 'airline')(name, first, last) }}
{%- endmacro %}


{% macro default__numbers_between(name, first, last) %}{{ engine_lacks('numbers_between') }}{% endmacro %}


{% macro days_between(name, first, last) -%}
    {{ adapter.dispatch('days_between', 'airline')(name, first, last) }}
{%- endmacro %}


{% macro default__days_between(name, first, last) %}{{ engine_lacks('days_between') }}{% endmacro %}


{% macro first_of_each(key, columns, rows, order_by) -%}
    {{ adapter.dispatch('first_of_each', 'airline')(key, columns, rows, order_by) }}
{%- endmacro %}


{% macro default__first_of_each(key, columns, rows, order_by) %}{{ engine_lacks('first_of_each') }}{% endmacro %}


{% macro first_match(name, order_by) -%}
    {{ adapter.dispatch('first_match', 'airline')(name, order_by, caller()) }}
{%- endmacro %}


{% macro default__first_match(name, order_by, query) %}{{ engine_lacks('first_match') }}{% endmacro %}


{% macro planned_apart() -%}
    {{ adapter.dispatch('planned_apart', 'airline')() }}
{%- endmacro %}


{% macro default__planned_apart() %}{{ engine_lacks('planned_apart') }}{% endmacro %}


{% macro row_value(columns) -%}
    {{ adapter.dispatch('row_value', 'airline')(columns) }}
{%- endmacro %}


{% macro default__row_value(columns) %}{{ engine_lacks('row_value') }}{% endmacro %}


{% macro whole_row(name) -%}
    {{ adapter.dispatch('whole_row', 'airline')(name) }}
{%- endmacro %}


{% macro default__whole_row(name) %}{{ engine_lacks('whole_row') }}{% endmacro %}

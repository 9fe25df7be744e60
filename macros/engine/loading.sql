{#- Statements of loading and building: what engines spell differently. What each macro returns is in README.md. -#}
{% macro session_in_utc() -%}
    {{ adapter.dispatch('session_in_utc', 'airline')() }}
{%- endmacro %}


{% macro default__session_in_utc() %}{{ engine_lacks('session_in_utc') }}{% endmacro %}


{% macro take_role(role) -%}
    {{ adapter.dispatch('take_role', 'airline')(role) }}
{%- endmacro %}


{% macro default__take_role(role) %}{{ engine_lacks('take_role') }}{% endmacro %}


{% macro hold_model() -%}
    {{ adapter.dispatch('hold_model', 'airline')() }}
{%- endmacro %}


{% macro default__hold_model() %}{{ engine_lacks('hold_model') }}{% endmacro %}


{% macro hold_batch() -%}
    {{ adapter.dispatch('hold_batch', 'airline')() }}
{%- endmacro %}


{% macro default__hold_batch() %}{{ engine_lacks('hold_batch') }}{% endmacro %}


{% macro widen(columns) -%}
    {{ adapter.dispatch('widen', 'airline')(columns) }}
{%- endmacro %}


{% macro default__widen(columns) %}{{ engine_lacks('widen') }}{% endmacro %}


{% macro keep_current(relation, key, columns, rows) -%}
    {{ adapter.dispatch('keep_current', 'airline')(relation, key, columns, rows) }}
{%- endmacro %}


{% macro default__keep_current(relation, key, columns, rows) %}{{ engine_lacks('keep_current') }}{% endmacro %}


{% macro replace_slices(relation, slice, row_key, columns, computed) -%}
    {{ adapter.dispatch('replace_slices', 'airline')(relation, slice, row_key, columns, computed) }}
{%- endmacro %}


{% macro default__replace_slices(relation, slice, row_key, columns, computed) %}{{ engine_lacks('replace_slices') }}{% endmacro %}


{% macro make_function_of_moment(function, columns, query) -%}
    {{ adapter.dispatch('make_function_of_moment', 'airline')(function, columns, query) }}
{%- endmacro %}


{% macro default__make_function_of_moment(function, columns, query) %}{{ engine_lacks('make_function_of_moment') }}{% endmacro %}


{% macro function_rows(function, moment, name) -%}
    {{ adapter.dispatch('function_rows', 'airline')(function, moment, name) }}
{%- endmacro %}


{% macro default__function_rows(function, moment, name) %}{{ engine_lacks('function_rows') }}{% endmacro %}


{% macro keep_results(relation, rows) -%}
    {{ adapter.dispatch('keep_results', 'airline')(relation, rows) }}
{%- endmacro %}


{% macro default__keep_results(relation, rows) %}{{ engine_lacks('keep_results') }}{% endmacro %}

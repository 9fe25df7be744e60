{#- Moments and days: what engines spell differently. What each macro returns is in README.md. -#}
{% macro as_moment(text) -%}
    {{ adapter.dispatch('as_moment', 'airline')(text) }}
{%- endmacro %}


{% macro default__as_moment(text) %}{{ engine_lacks('as_moment') }}{% endmacro %}


{% macro moment_literal(text) -%}
    {{ adapter.dispatch('moment_literal', 'airline')(text) }}
{%- endmacro %}


{% macro default__moment_literal(text) %}{{ engine_lacks('moment_literal') }}{% endmacro %}


{% macro beginning_of_time() -%}
    {{ adapter.dispatch('beginning_of_time', 'airline')() }}
{%- endmacro %}


{% macro default__beginning_of_time() %}{{ engine_lacks('beginning_of_time') }}{% endmacro %}


{% macro moment_text(moment) -%}
    {{ adapter.dispatch('moment_text', 'airline')(moment) }}
{%- endmacro %}


{% macro default__moment_text(moment) %}{{ engine_lacks('moment_text') }}{% endmacro %}


{% macro utc_day(moment) -%}
    {{ adapter.dispatch('utc_day', 'airline')(moment) }}
{%- endmacro %}


{% macro default__utc_day(moment) %}{{ engine_lacks('utc_day') }}{% endmacro %}


{% macro utc_midnight(day) -%}
    {{ adapter.dispatch('utc_midnight', 'airline')(day) }}
{%- endmacro %}


{% macro default__utc_midnight(day) %}{{ engine_lacks('utc_midnight') }}{% endmacro %}


{% macro seconds_between(later, earlier) -%}
    {{ adapter.dispatch('seconds_between', 'airline')(later, earlier) }}
{%- endmacro %}


{% macro default__seconds_between(later, earlier) %}{{ engine_lacks('seconds_between') }}{% endmacro %}


{% macro hours_times(number, hours) -%}
    {{ adapter.dispatch('hours_times', 'airline')(number, hours) }}
{%- endmacro %}


{% macro default__hours_times(number, hours) %}{{ engine_lacks('hours_times') }}{% endmacro %}


{% macro microseconds_of(moment) -%}
    {{ adapter.dispatch('microseconds_of', 'airline')(moment) }}
{%- endmacro %}


{% macro default__microseconds_of(moment) %}{{ engine_lacks('microseconds_of') }}{% endmacro %}


{% macro moment_of_microseconds(number) -%}
    {{ adapter.dispatch('moment_of_microseconds', 'airline')(number) }}
{%- endmacro %}


{% macro default__moment_of_microseconds(number) %}{{ engine_lacks('moment_of_microseconds') }}{% endmacro %}


{% macro event_timestamp_text(text) -%}
    {{ adapter.dispatch('event_timestamp_text', 'airline')(text) }}
{%- endmacro %}


{% macro default__event_timestamp_text(text) %}{{ engine_lacks('event_timestamp_text') }}{% endmacro %}


{% macro moment_of_units(number, type, per_second) -%}
    {{ adapter.dispatch('moment_of_units', 'airline')(number, type, per_second) }}
{%- endmacro %}


{% macro default__moment_of_units(number, type, per_second) %}{{ engine_lacks('moment_of_units') }}{% endmacro %}

{#- The marts' only clock. A mart asks these macros for "now" and "today", so that a test can set the
    time and Airflow can pass the date of its data interval. -#}

{% macro now_timestamp() -%}
    {%- if var('as_of', none) -%}
        {{ exceptions.raise_compiler_error("the variable as_of, which set the marts' clock, is called now") }}
    {%- endif -%}
    {%- if var('now', none) -%}
        {{ as_moment("'" ~ var('now') ~ "'") }}
    {%- else -%}
        current_timestamp
    {%- endif -%}
{%- endmacro %}


{% macro today() -%}
    {{ utc_day(now_timestamp()) }}
{%- endmacro %}


{% macro run_date() -%}
    {%- set date = iso_date_var('run_date') -%}
    {%- if date -%} cast('{{ date }}' as date) {%- else -%} {{ today() }} {%- endif -%}
{%- endmacro %}


{% macro iso_date_var(name) -%}
    {#- YAML on the command line turns 2026-01-31 into a date, Airflow passes a string: both are accepted.
        Anything else is refused here, where the message can name the variable.
        Airflow says it in the environment (AIRLINE_RUN_DATE for run_date): variables that changed make dbt
        parse the whole project. Read when a model runs, it is no part of what is parsed. -#}
    {%- set value = var(name, none) -%}
    {%- if not value and execute -%}
        {%- set value = env_var('AIRLINE_' ~ name | upper, '') -%}
    {%- endif -%}
    {%- if not value -%}
        {{ return(none) }}
    {%- endif -%}
    {%- if not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}', value | string) -%}
        {{ exceptions.raise_compiler_error(
            "The variable " ~ name ~ " is '" ~ value ~ "', which is no date. Pass it as YYYY-MM-DD, "
            ~ "for example --vars '{" ~ name ~ ": 2026-01-31}'."
        ) }}
    {%- endif -%}
    {{ return(value | string) }}
{%- endmacro %}

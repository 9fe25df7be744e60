{% macro utc_day(moment) -%}
    {#- Not date_trunc or a bare cast: both follow the session's time zone. -#}
    cast(({{ moment }}) at time zone 'UTC' as date)
{%- endmacro %}


{% macro utc_midnight(day) -%}
    (cast({{ day }} as timestamp) at time zone 'UTC')
{%- endmacro %}

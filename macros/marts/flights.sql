{% macro is_traffic(flights) -%}
    {{ flights }}.status <> 'Cancelled'
{%- endmacro %}


{% macro has_flown(flights) -%}
    {{ flights }}.status in ('Departed', 'Arrived')
{%- endmacro %}


{% macro departed_at(flights) -%}
    coalesce(
        {{ near_timetable(flights ~ '.actual_departure', flights ~ '.scheduled_departure') | indent(8) }},
        {{ plausible_moment(flights ~ '.scheduled_departure') | indent(8) }},
        {{ plausible_moment(flights ~ '.actual_departure') | indent(8) }}
    )
{%- endmacro %}


{% macro days_until_departure(flights, moment) -%}
    {{ seconds_between(plausible_moment(flights ~ '.scheduled_departure'), moment) | indent(4) }} / 86400
{%- endmacro %}


{% macro passengers_per_flight(legs) %}
    {#- Segments are counted before anything is joined to them, so that no join can multiply one. -#}
    select segments.flight_id, count(*) as passengers
    from {{ ref('current_ticket_flights') }} as segments
    where segments.flight_id in (select {{ legs }}.flight_id from {{ legs }})
    group by segments.flight_id
{% endmacro %}

{#- The window of the dwh_marts views: the last 30 days up to now. Its start is excluded, so that a
    daily flight is in it 30 times and not 31. -#}

{% macro window_start() -%}
    {#- Hours, because PostgreSQL's "day" has 23 or 25 of them where the session's time zone has
        daylight saving. -#}
    {{ now_timestamp() }} - interval '720 hours'
{%- endmacro %}


{% macro in_window(moment) -%}
    ({{ moment }} > {{ window_start() }} and {{ moment }} <= {{ now_timestamp() }})
{%- endmacro %}


{% macro window_days() %}
    select cast(window_day as date) as flight_date
    from {{ days_between('window_day', utc_day(window_start()), today()) }}
{% endmacro %}


{% macro is_whole_day(day) -%}
    {#- Whether the window has all hours of one of its days: the first has its end, the last its beginning. -#}
    ({{ day }} > {{ utc_day(window_start()) }} and {{ day }} < {{ today() }})
{%- endmacro %}


{% macro window_segments() %}
    select
        segments.book_ref,
        segments.passenger_id,
        {{ utc_day('flights.scheduled_departure') }} as flight_date,
        {{ plausible_amount('segments.amount') }} as amount
    from {{ ref('current_flights') }} as flights
    join {{ ref('kept_ticket_flights') }} as segments on segments.flight_id = flights.flight_id
    where
        {{ is_traffic('flights') }}
        and {{ in_window('flights.scheduled_departure') }}
        and segments.passenger_id is not null
{% endmacro %}

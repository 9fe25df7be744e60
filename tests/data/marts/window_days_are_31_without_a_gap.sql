-- Wrong if this returns a row: a view by day misses a day of the window, or has one out of it.
{%- for view in ['v_active_airports_30d', 'v_passenger_metrics_30d'] %}
select
    '{{ view }}' as view_name,
    count(*) as days,
    min(flight_date) as first_day,
    max(flight_date) as last_day
from {{ ref(view) }}
having
    count(distinct flight_date) <> 31
    or max(flight_date) - min(flight_date) <> 30
    or max(flight_date) <> {{ today() }}
{{ 'union all' if not loop.last }}
{%- endfor %}

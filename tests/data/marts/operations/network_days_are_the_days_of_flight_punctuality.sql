-- Wrong if this returns a row: a day of the network has other flights, flown, cancelled or on time, than its airports have
-- together in flight_punctuality.
with

airports as (
    select
        flight_date,
        sum(flights_scheduled) as flights_scheduled,
        sum(flights_cancelled) as flights_cancelled,
        sum(flights_flown) as flights_flown,
        sum(flights_on_time) as flights_on_time
    from {{ ref('flight_punctuality') }}
    group by flight_date
)

select days.flight_date, days.flights_scheduled, airports.flights_scheduled as flights_of_airports
from {{ ref('network_by_day') }} as days
left join airports on airports.flight_date = days.flight_date
where
    (days.flights_scheduled, days.flights_cancelled, days.flights_flown, days.flights_on_time) is distinct from (
        coalesce(airports.flights_scheduled, 0),
        coalesce(airports.flights_cancelled, 0),
        coalesce(airports.flights_flown, 0),
        coalesce(airports.flights_on_time, 0)
    )

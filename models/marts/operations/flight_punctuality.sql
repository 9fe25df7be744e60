with

flights as (

    select
        {{ utc_day(plausible_moment('flights.scheduled_departure')) }} as flight_date,
        flights.departure_airport,
        flights.status = 'Cancelled' as is_cancelled,
        {{ has_flown('flights') }} as is_flown,
        flights.status = 'Arrived' as is_arrived,
        -- an early flight counts as 0 minutes, so that it does not offset a late one
        case when {{ has_flown('flights') }} then
            {{ minutes_late('flights.actual_departure', 'flights.scheduled_departure') | indent(12) }}
        end as departure_delay,
        case when flights.status = 'Arrived' then
            {{ minutes_late('flights.actual_arrival', 'flights.scheduled_arrival') | indent(12) }}
        end as arrival_delay
    from {{ ref('current_flights') }} as flights
    where
        {{ plausible_moment('flights.scheduled_departure') | indent(8) }} <= {{ now_timestamp() }}
        and flights.departure_airport is not null

),

by_airport as (

    select
        flights.flight_date,
        flights.departure_airport,
        count(*) as flights_scheduled,
        count(*) filter (where flights.is_cancelled) as flights_cancelled,
        count(*) filter (where flights.is_flown) as flights_flown,
        count(*) filter (where flights.is_arrived) as flights_arrived,
        count(*) filter (where flights.arrival_delay < 15) as flights_on_time,
        count(flights.departure_delay) as departures_timed,
        count(flights.arrival_delay) as arrivals_timed,
        coalesce(sum(flights.departure_delay), 0) as departure_delay_minutes,
        coalesce(sum(flights.arrival_delay), 0) as arrival_delay_minutes,
        max(flights.arrival_delay) as max_arrival_delay_minutes
    from flights
    group by flights.flight_date, flights.departure_airport

)

select
    by_airport.flight_date,
    by_airport.departure_airport,
    by_airport.flights_scheduled,
    by_airport.flights_cancelled,
    by_airport.flights_flown,
    by_airport.flights_arrived,
    by_airport.flights_on_time,
    cast(
        100.0 * by_airport.flights_flown / nullif(by_airport.flights_flown + by_airport.flights_cancelled, 0)
        as numeric(5, 2)
    ) as completion_percent,
    cast(100.0 * by_airport.flights_on_time / nullif(by_airport.arrivals_timed, 0) as numeric(5, 2)) as on_time_percent,
    cast(by_airport.departure_delay_minutes as numeric(18, 2)) as departure_delay_minutes,
    cast(
        by_airport.departure_delay_minutes / nullif(by_airport.departures_timed, 0) as numeric(10, 2)
    ) as avg_departure_delay_minutes,
    cast(by_airport.arrival_delay_minutes as numeric(18, 2)) as arrival_delay_minutes,
    cast(
        by_airport.arrival_delay_minutes / nullif(by_airport.arrivals_timed, 0) as numeric(10, 2)
    ) as avg_arrival_delay_minutes,
    cast(by_airport.max_arrival_delay_minutes as numeric(10, 2)) as max_arrival_delay_minutes
from by_airport

{{
    config(
        schema='presentation',
        materialized='table',
        indexes=[{'columns': ['flight_id', 'days_before_departure'], 'unique': true}],
    )
}}

with

flights as (

    select
        flights.flight_id,
        flights.flight_no,
        flights.scheduled_departure,
        flights.departure_airport,
        flights.arrival_airport,
        flights.aircraft_code
    from {{ ref('current_flights') }} as flights
    where {{ is_traffic('flights') }} and flights.scheduled_departure > {{ window_start() }}

),

-- what happened between two of a flight's measurements counts at the later one
movements as (

    select
        flights.flight_id,
        cast(floor({{ days_until_departure('flights', 'movement.moved_at') }}) as integer) as days_before_departure,
        movement.sold,
        movement.returned
    from flights
    join {{ ref('segment_sales') }} as sales on sales.flight_id = flights.flight_id
    cross join lateral (
        values (sales.sold_at, 1, 0), (sales.returned_at, 0, 1)
    ) as movement (moved_at, sold, returned)
    where sales.sold_at <= flights.scheduled_departure and movement.moved_at <= flights.scheduled_departure

),

by_day as (

    select
        movements.flight_id,
        movements.days_before_departure,
        sum(movements.sold) as sold,
        sum(movements.returned) as returned
    from movements
    group by movements.flight_id, movements.days_before_departure

),

first_days as (

    select
        by_day.flight_id,
        max(by_day.days_before_departure) as first_day
    from by_day
    group by by_day.flight_id

),

seats as (

    {{ seats_per_aircraft() }}

),

days as (

    select
        flights.flight_id,
        flights.flight_no,
        flights.scheduled_departure,
        flights.departure_airport,
        flights.arrival_airport,
        flights.aircraft_code,
        flight_day as days_before_departure,
        least(
            flights.scheduled_departure - flight_day * interval '24 hours', {{ as_of_timestamp() }}
        ) as measured_at,
        coalesce(by_day.sold, 0) as seats_sold_that_day,
        coalesce(by_day.returned, 0) as seats_returned_that_day,
        sum(coalesce(by_day.sold, 0) - coalesce(by_day.returned, 0)) over (
            partition by flights.flight_id order by flight_day desc
        ) as seats_sold
    from flights
    join first_days on first_days.flight_id = flights.flight_id
    -- down to departure, or to the day that is not over yet
    cross join lateral generate_series(
        greatest(0, cast(floor({{ days_until_departure('flights', as_of_timestamp()) }}) as integer)),
        first_days.first_day
    ) as flight_day
    left join by_day on by_day.flight_id = flights.flight_id and by_day.days_before_departure = flight_day

)

select
    days.flight_id,
    days.days_before_departure,
    days.measured_at,
    days.flight_no,
    days.scheduled_departure,
    days.departure_airport,
    days.arrival_airport,
    coalesce(seats.seats, 0) as seats,
    cast(days.seats_sold as bigint) as seats_sold,
    days.seats_sold_that_day,
    days.seats_returned_that_day,
    cast(100.0 * days.seats_sold / nullif(seats.seats, 0) as numeric(10, 2)) as sold_percent
from days
left join seats on seats.aircraft_code = days.aircraft_code

{{
    config(
        materialized='table',
        unique_key=['flight_id', 'days_before_departure'],
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
    where
        {{ is_traffic('flights') }}
        and {{ plausible_moment('flights.scheduled_departure') | indent(8) }} > {{ window_start() }}

),

-- A sale between two measurements of a flight counts at the later one. A seat sold before seats can be on sale gets no
-- day: the date is an error, and the flight's curve would start there.
movements as (

    select
        flights.flight_id,
        case when ahead.days <= {{ plausible('days_on_sale') }} then cast(ahead.days as integer) end as days_before_departure,
        movement.sold,
        movement.returned
    from flights
    join {{ ref('segment_sales') }} as sales on sales.flight_id = flights.flight_id
    cross join {{ rows_of('movement', ['moved_at', 'sold', 'returned'], [['sales.sold_at', 1, 0], ['sales.returned_at', 0, 1]]) }}
    cross join lateral (
        select floor({{ days_until_departure('flights', plausible_moment('movement.moved_at')) }}) as days
    ) as ahead
    where sales.sold_at <= flights.scheduled_departure and movement.moved_at <= flights.scheduled_departure

),

by_known_day as (

    select
        movements.flight_id,
        movements.days_before_departure,
        sum(movements.sold) as sold,
        sum(movements.returned) as returned
    from movements
    group by movements.flight_id, movements.days_before_departure

),

curves as (

    select
        flights.flight_id,
        -- down to departure, or to the day that is not over yet
        greatest(0, cast(floor({{ days_until_departure('flights', now_timestamp()) }}) as integer)) as last_day,
        max(by_known_day.days_before_departure) as first_day
    from by_known_day
    join flights on flights.flight_id = by_known_day.flight_id
    group by flights.flight_id, flights.scheduled_departure

),

-- sales without a day count as earlier than the curve, and are included at its start
by_day as (

    select
        placed.flight_id,
        placed.days_before_departure,
        cast(sum(placed.sold) as bigint) as sold,
        cast(sum(placed.returned) as bigint) as returned
    from (
        select
            by_known_day.flight_id,
            coalesce(by_known_day.days_before_departure, curves.first_day, curves.last_day) as days_before_departure,
            by_known_day.sold,
            by_known_day.returned
        from by_known_day
        join curves on curves.flight_id = by_known_day.flight_id
    ) as placed
    group by placed.flight_id, placed.days_before_departure

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
            {{ plausible_moment('flights.scheduled_departure') | indent(12) }} - {{ hours_times('flight_day', 24) }}, {{ now_timestamp() }}
        ) as measured_at,
        coalesce(by_day.sold, 0) as seats_sold_that_day,
        coalesce(by_day.returned, 0) as seats_returned_that_day,
        sum(coalesce(by_day.sold, 0) - coalesce(by_day.returned, 0)) over (
            partition by flights.flight_id order by flight_day desc
        ) as seats_sold
    from flights
    join curves on curves.flight_id = flights.flight_id
    cross join lateral {{ numbers_between('flight_day', 'curves.last_day', 'coalesce(curves.first_day, curves.last_day)') }}
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

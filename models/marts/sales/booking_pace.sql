with

-- The curves are a table: they are as of its newest build, and so is all that is beside them.
built as (

    select max(curve.measured_at) as built_at
    from {{ ref('booking_curve') }} as curve

),

seats as (

    {{ seats_per_aircraft() }}

),

flights as (

    select
        flights.flight_id,
        coalesce(seats.seats, 0) as seats,
        {{ plausible_moment('flights.scheduled_departure') | indent(8) }} <= built.built_at as has_departed,
        floor({{ days_until_departure('flights', 'built.built_at') }}) as days_left
    from {{ ref('current_flights') }} as flights
    cross join built
    left join seats on seats.aircraft_code = flights.aircraft_code
    where
        {{ is_traffic('flights') }}
        and {{ plausible_moment('flights.scheduled_departure') | indent(8) }} > built.built_at - interval '720 hours'
        and {{ plausible_moment('flights.scheduled_departure') | indent(8) }} <= built.built_at + interval '1464 hours'

),

-- A curve begins with the first sale: before it, or without one, a flight has its seats all the same. A day that is not
-- over yet is none: its sales would read as a collapse.
by_day as (

    select
        pace_day as days_before_departure,
        flights.has_departed,
        flights.seats,
        coalesce(curve.seats_sold, 0) as seats_sold
    from {{ numbers_between('pace_day', '0', '60') }}
    inner join flights on flights.has_departed or flights.days_left < pace_day
    left join {{ ref('booking_curve') }} as curve
        on
            curve.flight_id = flights.flight_id
            and curve.days_before_departure = pace_day

),

days as (

    select
        by_day.days_before_departure,
        count(*) filter (where by_day.has_departed) as usual_flights,
        sum(by_day.seats) filter (where by_day.has_departed) as usual_seats,
        sum(by_day.seats_sold) filter (where by_day.has_departed) as usual_sold,
        count(*) filter (where not by_day.has_departed) as coming_flights,
        sum(by_day.seats) filter (where not by_day.has_departed) as coming_seats,
        sum(by_day.seats_sold) filter (where not by_day.has_departed) as coming_sold
    from by_day
    group by by_day.days_before_departure

)

select
    days.days_before_departure,
    days.usual_flights,
    cast(100.0 * days.usual_sold / nullif(days.usual_seats, 0) as numeric(10, 2)) as usual_sold_percent,
    days.coming_flights,
    cast(100.0 * days.coming_sold / nullif(days.coming_seats, 0) as numeric(10, 2)) as coming_sold_percent
from days

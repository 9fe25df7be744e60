with

-- counted before anything is joined, so that no join can multiply a segment
segments as (

    select
        segments.flight_id,
        count(*) as passengers,
        sum({{ plausible_amount('segments.amount') }}) as revenue
    from {{ ref('current_ticket_flights') }} as segments
    group by segments.flight_id

),

seats as (

    {{ seats_per_aircraft() }}

),

flights as (

    select
        flights.flight_id,
        flights.flight_no,
        {{ utc_day(plausible_moment('flights.scheduled_departure')) }} as flight_date,
        flights.departure_airport,
        flights.arrival_airport,
        flights.aircraft_code,
        flights.status,
        cast({{ great_circle_km('origin', 'target') }} as numeric(10, 1)) as distance_km,
        coalesce(seats.seats, 0) as seats,
        coalesce(segments.passengers, 0) as passengers,
        coalesce(segments.revenue, 0) as revenue
    from {{ ref('current_flights') }} as flights
    left join {{ ref('current_airports') }} as origin on origin.airport_code = flights.departure_airport
    left join {{ ref('current_airports') }} as target on target.airport_code = flights.arrival_airport
    left join seats on seats.aircraft_code = flights.aircraft_code
    left join segments on segments.flight_id = flights.flight_id
    where {{ is_traffic('flights') }}

)

select
    flights.flight_id,
    flights.flight_no,
    flights.flight_date,
    flights.departure_airport,
    flights.arrival_airport,
    flights.aircraft_code,
    flights.status,
    flights.distance_km,
    flights.seats,
    flights.passengers,
    cast(100.0 * flights.passengers / nullif(flights.seats, 0) as numeric(10, 2)) as load_factor_percent,
    cast(flights.revenue as numeric(18, 2)) as revenue,
    cast(flights.seats * flights.distance_km as numeric(18, 1)) as seat_km,
    cast(flights.passengers * flights.distance_km as numeric(18, 1)) as passenger_km,
    cast(flights.revenue / nullif(flights.seats * flights.distance_km, 0) as numeric(18, 4)) as revenue_per_seat_km
from flights

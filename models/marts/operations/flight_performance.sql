{%- set first_day = today() ~ ' - 60' -%}
with

seats as (

    {{ seats_per_aircraft() }}

),

flights as (

    select
        flights.flight_id,
        flights.flight_no,
        flights.scheduled_departure,
        flights.departure_airport,
        flights.arrival_airport,
        flights.status,
        {{ is_traffic('flights') }} as is_traffic,
        case when flights.status = 'Arrived' then
            {{ minutes_late('flights.actual_arrival', 'flights.scheduled_arrival') | indent(12) }}
        end as arrival_delay,
        coalesce(seats.seats, 0) as seats,
        cast({{ great_circle_km('origin', 'target') }} as numeric(10, 1)) as distance_km
    from {{ ref('current_flights') }} as flights
    left join {{ ref('current_airports') }} as origin on origin.airport_code = flights.departure_airport
    left join {{ ref('current_airports') }} as target on target.airport_code = flights.arrival_airport
    left join seats on seats.aircraft_code = flights.aircraft_code
    where
        {{ plausible_moment('flights.scheduled_departure') | indent(8) }} >= {{ utc_midnight(first_day) }}
        and {{ plausible_moment('flights.scheduled_departure') | indent(8) }} < {{ utc_midnight(today()) }}
        and flights.departure_airport is not null

),

-- Each flight's segments by their index: what is read is the segments of these days, not all there ever were.
carried as (

    select
        flights.flight_id,
        flights.flight_no,
        {{ utc_day(plausible_moment('flights.scheduled_departure')) }} as flight_date,
        flights.departure_airport,
        flights.arrival_airport,
        flights.status,
        flights.arrival_delay,
        case when flights.is_traffic then flights.seats else 0 end as seats,
        case when flights.is_traffic then segments.passengers else 0 end as passengers,
        case when flights.is_traffic then segments.revenue else 0 end as revenue,
        case when flights.is_traffic and flights.seats > 0 then flights.distance_km end as distance_km
    from flights
    cross join lateral (
        select count(*) as passengers, coalesce(sum({{ plausible_amount('segments.amount') }}), 0) as revenue
        from {{ ref('current_ticket_flights') }} as segments
        where segments.flight_id = flights.flight_id
    ) as segments

)

select
    carried.flight_id,
    carried.flight_no,
    carried.flight_date,
    carried.departure_airport,
    carried.arrival_airport,
    carried.status,
    cast(carried.arrival_delay as numeric(10, 2)) as arrival_delay_minutes,
    coalesce(carried.arrival_delay < 15, false) as is_on_time,
    carried.seats,
    carried.passengers,
    cast(carried.revenue as numeric(18, 2)) as revenue,
    cast(carried.seats * carried.distance_km as numeric(18, 1)) as seat_km,
    cast(carried.passengers * carried.distance_km as numeric(18, 1)) as passenger_km
from carried

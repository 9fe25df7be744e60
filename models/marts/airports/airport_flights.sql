with

flights as (

    select
        flights.flight_id,
        flights.flight_no,
        {{ utc_day('flights.scheduled_departure') }} as flight_date,
        flights.departure_airport,
        flights.arrival_airport,
        flights.aircraft_code,
        flights.status
    from {{ ref('current_flights') }} as flights
    where {{ is_traffic('flights') }} and {{ in_window('flights.scheduled_departure') }}

),

passengers as (

    {{ passengers_per_flight('flights') }}

),

seats as (

    {{ seats_per_aircraft() }}

)

select
    flights.flight_id,
    ends.movement,
    flights.flight_no,
    flights.flight_date,
    {{ is_whole_day('flights.flight_date') }} as is_whole_day,
    flights.status,
    ends.airport_code,
    {{ airport_label('airports', 'ends.airport_code') }} as airport,
    ends.linked_airport_code,
    {{ airport_label('linked_airports', 'ends.linked_airport_code') }} as linked_airport,
    linked_airports.airport_name as linked_airport_name,
    linked_airports.city as linked_city,
    {{ plausible_degrees('linked_airports.coordinates_lon', 180) }} as linked_longitude,
    {{ plausible_degrees('linked_airports.coordinates_lat', 90) }} as linked_latitude,
    coalesce(passengers.passengers, 0) as passengers,
    coalesce(seats.seats, 0) as seats
from flights
-- a row at either end
cross join {{ rows_of('ends', ['movement', 'airport_code', 'linked_airport_code'], [
    ["'departure'", 'flights.departure_airport', 'flights.arrival_airport'],
    ["'arrival'", 'flights.arrival_airport', 'flights.departure_airport'],
]) }}
left join {{ ref('current_airports') }} as airports on airports.airport_code = ends.airport_code
left join {{ ref('current_airports') }} as linked_airports on linked_airports.airport_code = ends.linked_airport_code
left join passengers on passengers.flight_id = flights.flight_id
left join seats on seats.aircraft_code = flights.aircraft_code

-- The source's own view of the same name, computed from the vault: every flight that was not
-- cancelled, past and still on sale.

with

flights as (

    select
        flights.flight_id,
        flights.departure_airport,
        flights.arrival_airport
    from {{ ref('current_flights') }} as flights
    where {{ is_traffic('flights') }}

),

passengers as (

    {{ passengers_per_flight('flights') }}

),

departures as (

    select
        flights.departure_airport as airport_code,
        count(*) as flights_num,
        cast(coalesce(sum(passengers.passengers), 0) as bigint) as psngr_num
    from flights
    left join passengers on passengers.flight_id = flights.flight_id
    group by flights.departure_airport

),

arrivals as (

    select
        flights.arrival_airport as airport_code,
        count(*) as flights_num,
        cast(coalesce(sum(passengers.passengers), 0) as bigint) as psngr_num
    from flights
    left join passengers on passengers.flight_id = flights.flight_id
    group by flights.arrival_airport

)

select
    airports.airport_code,
    coalesce(departures.flights_num, 0) as departure_flights_num,
    coalesce(departures.psngr_num, 0) as departure_psngr_num,
    coalesce(arrivals.flights_num, 0) as arrival_flights_num,
    coalesce(arrivals.psngr_num, 0) as arrival_psngr_num
from {{ ref('current_airports') }} as airports
left join departures on departures.airport_code = airports.airport_code
left join arrivals on arrivals.airport_code = airports.airport_code

with

flights as (

    select
        flights.flight_id,
        flights.departure_airport,
        flights.arrival_airport
    from {{ ref('current_flights') }} as flights
    where {{ is_traffic('flights') }} and {{ in_window('flights.scheduled_departure') }}

),

passengers as (

    {{ passengers_per_flight('flights') }}

),

-- one row per flight and end: each flight counts at both airports
movements as (

    select
        ends.airport_code,
        coalesce(passengers.passengers, 0) as passengers
    from flights
    cross join {{ rows_of('ends', ['airport_code'], [['flights.departure_airport'], ['flights.arrival_airport']]) }}
    left join passengers on passengers.flight_id = flights.flight_id

),

traffic as (

    select
        airports.airport_code,
        airports.airport_name,
        airports.city,
        count(movements.airport_code) as flights,
        cast(coalesce(sum(movements.passengers), 0) as bigint) as passengers
    from {{ ref('current_airports') }} as airports
    left join movements on movements.airport_code = airports.airport_code
    group by airports.airport_code, airports.airport_name, airports.city

),

flight_shares as (

    {{ percent_shares('traffic', 'airport_code', 'flights') }}

),

passenger_shares as (

    {{ percent_shares('traffic', 'airport_code', 'passengers') }}

)

select
    traffic.airport_code,
    traffic.airport_name,
    traffic.city,
    traffic.flights,
    flight_shares.share_percent as flight_share_percent,
    traffic.passengers,
    passenger_shares.share_percent as passenger_share_percent
from traffic
join flight_shares on flight_shares.airport_code = traffic.airport_code
join passenger_shares on passenger_shares.airport_code = traffic.airport_code

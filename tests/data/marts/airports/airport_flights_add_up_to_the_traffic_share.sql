-- Counted by either airport, they are the traffic that the shares are of.
with

by_airport as (

    select
        flights.linked_airport_code as airport_code,
        count(*) as flights,
        sum(flights.passengers) as passengers
    from {{ ref('airport_flights') }} as flights
    group by flights.linked_airport_code

)

select
    shares.airport_code,
    shares.flights,
    by_airport.flights as flights_counted,
    shares.passengers,
    by_airport.passengers as passengers_counted
from {{ ref('v_airport_traffic_share') }} as shares
left join by_airport on by_airport.airport_code = shares.airport_code
where
    shares.flights <> coalesce(by_airport.flights, 0)
    or shares.passengers <> coalesce(by_airport.passengers, 0)

-- Wrong if this returns a row: flight_load and airport_traffic disagree on the network's flights or passengers.
with

loads as (
    select count(*) as flights, coalesce(sum(passengers), 0) as passengers
    from {{ ref('flight_load') }}
    where departure_airport in (select airport_code from {{ ref('airport_traffic') }})
),

traffic as (
    select
        coalesce(sum(departure_flights_num), 0) as flights,
        coalesce(sum(departure_psngr_num), 0) as passengers
    from {{ ref('airport_traffic') }}
)

select loads.flights, loads.passengers, traffic.flights as traffic_flights, traffic.passengers as traffic_passengers
from loads
cross join traffic
where (loads.flights, loads.passengers) <> (traffic.flights, traffic.passengers)

-- Wrong if this returns a row: a day and pair of airports is in the table twice, or has a row without any flight.
select
    flight_date,
    airport_code,
    linked_airport_code,
    count(*) as times,
    sum(flights_in + flights_out) as flights
from {{ ref('airport_passenger_flow') }}
group by flight_date, airport_code, linked_airport_code
having count(*) > 1 or sum(flights_in + flights_out) = 0 or min(least(passengers_in, passengers_out)) < 0

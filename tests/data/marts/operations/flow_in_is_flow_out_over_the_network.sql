-- Wrong if this returns a row: on some day, more or fewer flights or passengers came in than went out over all airports.
select
    flight_date,
    sum(flights_in) as flights_in,
    sum(flights_out) as flights_out,
    sum(passengers_in) as passengers_in,
    sum(passengers_out) as passengers_out
from {{ ref('airport_passenger_flow') }}
group by flight_date
having sum(flights_in) <> sum(flights_out) or sum(passengers_in) <> sum(passengers_out)

-- Each flight twice and not more often, once each way.
select rows_of_flight.flight_id
from {{ ref('airport_flights') }} as rows_of_flight
group by rows_of_flight.flight_id
having
    count(*) <> 2
    or count(distinct rows_of_flight.movement) <> 2
    or min(rows_of_flight.passengers) <> max(rows_of_flight.passengers)

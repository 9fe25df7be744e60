-- Wrong if this returns a row: what A says came in from B is not what B says went out to A, or one of the two rows is missing.
select
    here.flight_date,
    here.airport_code,
    here.linked_airport_code
from {{ ref('airport_passenger_flow') }} as here
left join {{ ref('airport_passenger_flow') }} as there
    on
        there.flight_date = here.flight_date
        and there.airport_code = here.linked_airport_code
        and there.linked_airport_code = here.airport_code
where
    here.flights_in is distinct from there.flights_out
    or here.passengers_in is distinct from there.passengers_out

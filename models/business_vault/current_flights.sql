select
    hub.flight_id,
    details.flight_no,
    details.scheduled_departure,
    details.scheduled_arrival,
    departure.airport_code as departure_airport,
    arrival.airport_code as arrival_airport,
    details.status,
    aircraft.aircraft_code,
    details.actual_departure,
    details.actual_arrival,
    greatest(details.load_date, status.load_date) as load_date
from {{ ref('hub_flights') }} as hub
inner join {{ newest('sat_flight_status', 'flight_hash_key') }} as status
    on
        hub.flight_hash_key = status.flight_hash_key
        and not status.is_deleted
inner join {{ newest('sat_flight_details', 'flight_hash_key') }} as details on hub.flight_hash_key = details.flight_hash_key
inner join {{ ref('link_flight_leg') }} as leg on details.flight_leg_hash_key = leg.flight_leg_hash_key
inner join {{ ref('hub_airports') }} as departure on leg.departure_airport_hash_key = departure.airport_hash_key
inner join {{ ref('hub_airports') }} as arrival on leg.arrival_airport_hash_key = arrival.airport_hash_key
inner join {{ ref('hub_aircrafts') }} as aircraft on leg.aircraft_hash_key = aircraft.aircraft_hash_key

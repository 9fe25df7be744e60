select
    hub.aircraft_code,
    details.model,
    details.range,
    greatest(details.load_date, status.load_date) as load_date
from {{ ref('hub_aircrafts') }} as hub
inner join {{ newest('sat_aircraft_status', 'aircraft_hash_key') }} as status
    on
        hub.aircraft_hash_key = status.aircraft_hash_key
        and not status.is_deleted
inner join {{ newest('sat_aircraft_details', 'aircraft_hash_key') }} as details on hub.aircraft_hash_key = details.aircraft_hash_key

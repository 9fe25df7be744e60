select
    hub.airport_code,
    details.airport_name,
    details.city,
    details.coordinates_lon,
    details.coordinates_lat,
    details.timezone,
    greatest(details.load_date, status.load_date) as load_date
from {{ ref('hub_airports') }} as hub
inner join {{ newest('sat_airport_status', 'airport_hash_key') }} as status
    on
        hub.airport_hash_key = status.airport_hash_key
        and not status.is_deleted
inner join {{ newest('sat_airport_details', 'airport_hash_key') }} as details on hub.airport_hash_key = details.airport_hash_key

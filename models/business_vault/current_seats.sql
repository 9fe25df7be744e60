select
    hub.aircraft_code,
    hub.seat_no,
    details.fare_conditions,
    greatest(details.load_date, status.load_date) as load_date
from {{ ref('hub_seats') }} as hub
inner join {{ newest('sat_seat_status', 'seat_hash_key') }} as status
    on
        hub.seat_hash_key = status.seat_hash_key
        and not status.is_deleted
inner join {{ newest('sat_seat_details', 'seat_hash_key') }} as details on hub.seat_hash_key = details.seat_hash_key

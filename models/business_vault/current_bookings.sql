select
    hub.book_ref,
    details.book_date,
    details.total_amount,
    greatest(details.load_date, status.load_date) as load_date
from {{ ref('hub_bookings') }} as hub
inner join {{ newest('sat_booking_status', 'booking_hash_key') }} as status
    on
        hub.booking_hash_key = status.booking_hash_key
        and not status.is_deleted
inner join {{ newest('sat_booking_details', 'booking_hash_key') }} as details on hub.booking_hash_key = details.booking_hash_key

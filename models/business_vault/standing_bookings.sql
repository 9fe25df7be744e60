-- Driven by the newest version of each booking, so that a filter on changed_at reads what changed and not the history.
select
    hub.book_ref,
    details.book_date,
    details.total_amount,
    details.load_date as changed_at
from {{ newest('sat_booking_details', 'booking_hash_key') }} as details
inner join {{ newest('sat_booking_status', 'booking_hash_key') }} as status
    on
        details.booking_hash_key = status.booking_hash_key
        and not status.is_deleted
inner join {{ ref('hub_bookings') }} as hub on details.booking_hash_key = hub.booking_hash_key

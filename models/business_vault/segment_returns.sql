-- Driven by rows of the status, and the amount is reached by key: a filter on returned_at reads what was returned then.
select
    status.ticket_flight_hash_key,
    status.load_date as returned_at,
    details.amount
from {{ ref('sat_ticket_flight_status') }} as status
left join {{ newest('sat_ticket_flight_details', 'ticket_flight_hash_key') }} as details
    on status.ticket_flight_hash_key = details.ticket_flight_hash_key
where status.is_deleted

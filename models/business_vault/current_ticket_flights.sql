select
    segment.ticket_no,
    segment.flight_id,
    segment.fare_conditions,
    segment.amount,
    segment.load_date
from {{ ref('kept_ticket_flights') }} as segment

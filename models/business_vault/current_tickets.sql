select
    ticket.ticket_no,
    ticket.book_ref,
    ticket.passenger_id,
    ticket.passenger_name,
    ticket.contact_data,
    ticket.load_date
from {{ ref('kept_tickets') }} as ticket

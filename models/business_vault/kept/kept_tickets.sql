{{ config(
    unique_key='ticket_hash_key',
    indexes=[
        {'columns': ['ticket_hash_key'], 'unique': true},
        {'columns': ['ticket_no']},
        {'columns': ['passenger_id']}
    ]
) }}

{%- set rows -%}
select
    hub.ticket_hash_key,
    hub.ticket_no,
    booking.book_ref,
    passenger.passenger_id,
    person.passenger_name,
    person.contact_data,
    greatest(details.load_date, person.load_date, status.load_date) as load_date
from {{ ref('hub_tickets') }} as hub
inner join {{ newest('sat_ticket_status', 'ticket_hash_key') }} as status
    on
        hub.ticket_hash_key = status.ticket_hash_key
        and not status.is_deleted
inner join {{ newest('sat_ticket_details', 'ticket_hash_key') }} as details on hub.ticket_hash_key = details.ticket_hash_key
inner join {{ newest('sat_passenger_details', 'ticket_hash_key') }} as person on hub.ticket_hash_key = person.ticket_hash_key
inner join {{ ref('link_ticket_booking') }} as holder on details.ticket_booking_hash_key = holder.ticket_booking_hash_key
inner join {{ ref('hub_bookings') }} as booking on holder.booking_hash_key = booking.booking_hash_key
inner join {{ ref('hub_passengers') }} as passenger on holder.passenger_hash_key = passenger.passenger_hash_key
{%- if is_incremental() %}
where hub.ticket_hash_key = changed.ticket_hash_key
{%- endif %}
{%- endset %}

{{ kept_rows(rows, 'vst_tickets') }}

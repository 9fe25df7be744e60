{{ config(
    unique_key='ticket_flight_hash_key',
    indexes=[
        {'columns': ['ticket_flight_hash_key'], 'unique': true},
        {'columns': ['flight_id', 'passenger_id', 'book_ref', 'amount']},
        {'columns': ['ticket_no']}
    ]
) }}

{%- set rows -%}
select
    segment.ticket_flight_hash_key,
    ticket.ticket_no,
    flight.flight_id,
    details.fare_conditions,
    details.amount,
    holder.book_ref,
    holder.passenger_id,
    greatest(details.load_date, status.load_date) as load_date
from {{ ref('link_ticket_flight') }} as segment
inner join {{ newest('sat_ticket_flight_status', 'ticket_flight_hash_key') }} as status
    on
        segment.ticket_flight_hash_key = status.ticket_flight_hash_key
        and not status.is_deleted
inner join {{ newest('sat_ticket_flight_details', 'ticket_flight_hash_key') }} as details on segment.ticket_flight_hash_key = details.ticket_flight_hash_key
inner join {{ ref('hub_tickets') }} as ticket on segment.ticket_hash_key = ticket.ticket_hash_key
inner join {{ ref('hub_flights') }} as flight on segment.flight_hash_key = flight.flight_hash_key
left join {{ ref('kept_tickets') }} as holder on segment.ticket_hash_key = holder.ticket_hash_key
{%- if is_incremental() %}
where segment.ticket_flight_hash_key = changed.ticket_flight_hash_key
{%- endif %}
{%- endset %}

{%- set segments_of_changed_tickets -%}
select segment.ticket_flight_hash_key
from {{ ref('vst_tickets') }} as staged
inner join {{ ref('link_ticket_flight') }} as segment on staged.ticket_hash_key = segment.ticket_hash_key
{%- endset -%}

{{ kept_rows(rows, 'vst_ticket_flights', also={'stage': 'vst_tickets', 'hash_keys': segments_of_changed_tickets}) }}

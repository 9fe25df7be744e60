{{ config(
    unique_key='ticket_flight_hash_key',
    indexes=[
        {'columns': ['ticket_flight_hash_key'], 'unique': true},
        {'columns': ['flight_id']},
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
    greatest(details.load_date, status.load_date) as load_date
from {{ ref('link_ticket_flight') }} as segment
inner join {{ newest('sat_ticket_flight_status', 'ticket_flight_hash_key') }} as status
    on
        segment.ticket_flight_hash_key = status.ticket_flight_hash_key
        and not status.is_deleted
inner join {{ newest('sat_ticket_flight_details', 'ticket_flight_hash_key') }} as details on segment.ticket_flight_hash_key = details.ticket_flight_hash_key
inner join {{ ref('hub_tickets') }} as ticket on segment.ticket_hash_key = ticket.ticket_hash_key
inner join {{ ref('hub_flights') }} as flight on segment.flight_hash_key = flight.flight_hash_key
{%- if is_incremental() %}
where segment.ticket_flight_hash_key = changed.ticket_flight_hash_key
{%- endif %}
{%- endset %}

{{ kept_rows(rows, 'vst_ticket_flights') }}

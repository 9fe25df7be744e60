-- Everything is reached by key from the status rows, so that a filter on a flight reads that flight's
-- segments and not the history.
select
    flight.flight_id,
    ticket.ticket_no,
    case
        -- A segment that exists since its booking was sold with it, also if both came with the vault's first load.
        when booked_then.load_date is not null then booking.book_date
        else presence.load_date
    end as sold_at,
    (
        select min(later.load_date)
        from {{ ref('sat_ticket_flight_status') }} as later
        where
            later.ticket_flight_hash_key = presence.ticket_flight_hash_key
            and later.load_date > presence.load_date
    ) as returned_at
from {{ ref('sat_ticket_flight_status') }} as presence
inner join {{ ref('link_ticket_flight') }} as segment on presence.ticket_flight_hash_key = segment.ticket_flight_hash_key
inner join {{ ref('hub_flights') }} as flight on segment.flight_hash_key = flight.flight_hash_key
inner join {{ ref('hub_tickets') }} as ticket on segment.ticket_hash_key = ticket.ticket_hash_key
-- the booking that the ticket was of then: its reference may have been corrected since
left join {% call first_match('details', order_by='version.load_date desc') %}
    select version.ticket_booking_hash_key
    from {{ ref('sat_ticket_details') }} as version
    where
        version.ticket_hash_key = segment.ticket_hash_key
        and version.load_date <= presence.load_date
{% endcall %} on true
left join {{ ref('link_ticket_booking') }} as holder on details.ticket_booking_hash_key = holder.ticket_booking_hash_key
-- deleted or not: a refund takes the whole booking away
left join {{ newest('sat_booking_details', 'booking_hash_key') }} as booking on holder.booking_hash_key = booking.booking_hash_key
left join {{ ref('sat_booking_status') }} as booked_then
    on
        holder.booking_hash_key = booked_then.booking_hash_key
        and presence.load_date = booked_then.load_date
        and not booked_then.is_deleted
where not presence.is_deleted

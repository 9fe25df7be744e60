-- Driven by rows of the status, and the rest is reached by key: a filter on returned_at reads what was returned then.
select
    status.ticket_flight_hash_key,
    status.load_date as returned_at,
    details.amount,
    -- the same commit gave the ticket a place on another flight
    exists(
        select 1
        from {{ ref('link_ticket_flight') }} as other
        inner join {{ ref('sat_ticket_flight_status') }} as taken on other.ticket_flight_hash_key = taken.ticket_flight_hash_key
        where
            other.ticket_hash_key = segment.ticket_hash_key
            and taken.load_date = status.load_date
            and not taken.is_deleted
    ) as is_rebooked
from {{ ref('sat_ticket_flight_status') }} as status
inner join {{ ref('link_ticket_flight') }} as segment on status.ticket_flight_hash_key = segment.ticket_flight_hash_key
left join {% call first_match('details', order_by='version.load_date desc') %}
    select version.amount
    from {{ ref('sat_ticket_flight_details') }} as version
    where
        version.ticket_flight_hash_key = status.ticket_flight_hash_key
        and version.load_date <= status.load_date
{% endcall %} on true
where status.is_deleted

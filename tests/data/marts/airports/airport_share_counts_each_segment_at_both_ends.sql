-- Wrong if this returns a row: the window's flights or segments, counted at both their ends, are not what the airports share.
select *
from (
    select
        count(*) as flights,
        coalesce(sum((
            select count(*)
            from {{ ref('current_ticket_flights') }} as segments
            where segments.flight_id = flights.flight_id
        )), 0) as passengers
    from {{ ref('current_flights') }} as flights
    where
        flights.status <> 'Cancelled'
        and {{ in_window('flights.scheduled_departure') }}
) as counted
cross join (
    select
        coalesce(sum(flights), 0) as flights_at_ends,
        coalesce(sum(passengers), 0) as passengers_at_ends
    from {{ ref('v_airport_traffic_share') }}
) as reported
where flights_at_ends <> 2 * flights or passengers_at_ends <> 2 * passengers

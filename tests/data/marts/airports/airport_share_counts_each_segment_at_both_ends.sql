-- Wrong if this returns a row: the window's flights or segments, counted at both their ends, are not what the airports share.
select *
from (
    select
        count(distinct flights.flight_id) filter (where ends.is_departure)
        + count(distinct flights.flight_id) filter (where not ends.is_departure) as flights,
        count(segments.ticket_no) as passengers
    from {{ ref('current_flights') }} as flights
    cross join {{ rows_of('ends', ['is_departure', 'airport_code'], [
        ['true', 'flights.departure_airport'],
        ['false', 'flights.arrival_airport']
    ]) | indent(4) }}
    inner join {{ ref('current_airports') }} as airports on ends.airport_code = airports.airport_code
    left join {{ ref('current_ticket_flights') }} as segments on flights.flight_id = segments.flight_id
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
where flights_at_ends <> flights or passengers_at_ends <> passengers

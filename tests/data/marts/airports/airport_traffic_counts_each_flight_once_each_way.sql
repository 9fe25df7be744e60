-- Wrong if this returns a row: over the network, departures and arrivals differ, or a join lost or multiplied a segment.
with
counted as (
    select
        count(*) as flights,
        coalesce(sum(segments.passengers), 0) as passengers
    from {{ ref('current_flights') }} as flights
    left join (
        select flight_id, count(*) as passengers
        from {{ ref('current_ticket_flights') }}
        group by flight_id
    ) as segments on segments.flight_id = flights.flight_id
    where flights.status <> 'Cancelled'
),

reported as (
    select
        coalesce(sum(departure_flights_num), 0) as flights_out,
        coalesce(sum(arrival_flights_num), 0) as flights_in,
        coalesce(sum(departure_psngr_num), 0) as passengers_out,
        coalesce(sum(arrival_psngr_num), 0) as passengers_in
    from {{ ref('airport_traffic') }}
)

select *
from counted
cross join reported
where
    flights_out <> flights
    or flights_in <> flights
    or passengers_out <> passengers
    or passengers_in <> passengers

-- Wrong if this returns a row: over the network, departures and arrivals of the airports there are differ from their flights,
-- or a join lost or multiplied a segment.
with
counted as (
    select
        count(origin.airport_code) as departures,
        count(target.airport_code) as arrivals,
        coalesce(sum(segments.passengers) filter (where origin.airport_code is not null), 0) as departing,
        coalesce(sum(segments.passengers) filter (where target.airport_code is not null), 0) as arriving
    from {{ ref('current_flights') }} as flights
    left join {{ ref('current_airports') }} as origin on origin.airport_code = flights.departure_airport
    left join {{ ref('current_airports') }} as target on target.airport_code = flights.arrival_airport
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
    flights_out <> departures
    or flights_in <> arrivals
    or passengers_out <> departing
    or passengers_in <> arriving

-- Wrong if this returns a row: the window's active airports are not the airports with a share in its flights, or a day has more than the window.
select active.*
from {{ ref('v_active_airports_30d') }} as active
where
    active.active_airports > active.active_airports_30d
    or active.active_airports_30d <> (
        select count(*)
        from {{ ref('v_airport_traffic_share') }} as traffic
        where traffic.flights > 0
    ) + (
        -- codes that are no airport's are active and have no share
        select count(distinct ends.airport_code)
        from {{ ref('current_flights') }} as flights
        cross join {{ rows_of('ends', ['airport_code'], [['flights.departure_airport'], ['flights.arrival_airport']]) }}
        where
            flights.status <> 'Cancelled'
            and {{ in_window('flights.scheduled_departure') }}
            and ends.airport_code not in (
                select airports.airport_code from {{ ref('current_airports') }} as airports
            )
    )

-- Wrong if this returns a row: the window's active airports are not the airports with a share in its flights, or a day has more than the window.
select active.*
from {{ ref('v_active_airports_30d') }} as active
where
    active.active_airports > active.active_airports_30d
    or active.active_airports_30d <> (
        select count(*)
        from {{ ref('v_airport_traffic_share') }} as traffic
        where traffic.flights > 0
    )

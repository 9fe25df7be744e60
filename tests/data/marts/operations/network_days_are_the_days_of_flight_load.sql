-- Wrong if this returns a row: a day of the network has other passengers, revenue or kilometres than that day's flights in
-- flight_load.
with

loads as (
    select
        loads.flight_date,
        sum(loads.passengers) as passengers,
        sum(loads.revenue) as revenue,
        coalesce(sum(loads.seat_km), 0) as seat_km,
        coalesce(sum(loads.passenger_km) filter (where loads.seats > 0), 0) as passenger_km
    from {{ ref('flight_load') }} as loads
    where loads.departure_airport is not null
    group by loads.flight_date
)

select
    days.flight_date,
    days.passengers,
    loads.passengers as passengers_of_loads,
    days.revenue,
    loads.revenue as revenue_of_loads
from {{ ref('network_by_day') }} as days
left join loads on loads.flight_date = days.flight_date
where
    (days.passengers, days.revenue, days.seat_km, days.passenger_km) is distinct from (
        coalesce(loads.passengers, 0),
        coalesce(loads.revenue, 0),
        coalesce(loads.seat_km, 0),
        coalesce(loads.passenger_km, 0)
    )

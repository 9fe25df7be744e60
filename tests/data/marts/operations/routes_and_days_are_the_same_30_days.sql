-- Wrong if this returns a row: the routes together, or the two periods, have other flights, passengers or revenue than the
-- 60 days of the network. Flights without an airport of arrival are of no route.
with

days as (
    select
        sum(flights_scheduled) as flights,
        sum(passengers) as passengers,
        sum(revenue) as revenue
    from {{ ref('network_by_day') }}
),

periods as (
    select
        sum(flights_scheduled) as flights,
        sum(passengers) as passengers,
        sum(revenue) as revenue
    from {{ ref('network_30d') }}
    where period is not null
),

last_days as (
    select flights_scheduled as flights, passengers, revenue
    from {{ ref('network_30d') }}
    where period = 'last 30 days'
),

routes as (
    select
        coalesce(sum(flights_scheduled), 0) as flights,
        coalesce(sum(passengers), 0) as passengers,
        coalesce(sum(revenue), 0) as revenue
    from {{ ref('route_performance') }}
),

nowhere as (
    select
        count(*) as flights,
        coalesce(sum(passengers), 0) as passengers,
        coalesce(sum(revenue), 0) as revenue
    from {{ ref('flight_performance') }}
    where arrival_airport is null and flight_date >= {{ today() }} - 30
)

select 'periods' as what, days.flights, periods.flights as other_flights
from days
cross join periods
where (days.flights, days.passengers, days.revenue) is distinct from (periods.flights, periods.passengers, periods.revenue)
union all
select 'routes' as what, last_days.flights, routes.flights + nowhere.flights as other_flights
from last_days
cross join routes
cross join nowhere
where
    (last_days.flights, last_days.passengers, last_days.revenue) is distinct from (
        routes.flights + nowhere.flights, routes.passengers + nowhere.passengers, routes.revenue + nowhere.revenue
    )

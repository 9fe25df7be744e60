with

by_period as (

    select
        flights.departure_airport,
        flights.arrival_airport,
        flights.flight_date >= {{ today() }} - 30 as is_recent,
        {{ performance_sums('flights') }}
    from {{ ref('flight_performance') }} as flights
    where flights.arrival_airport is not null
    group by flights.departure_airport, flights.arrival_airport, flights.flight_date >= {{ today() }} - 30

),

figures as (

    select
        by_period.departure_airport,
        by_period.arrival_airport,
        by_period.is_recent,
        by_period.flights_scheduled,
        by_period.flights_cancelled,
        by_period.arrivals_timed,
        by_period.flights_on_time,
        by_period.passengers,
        cast(by_period.revenue as numeric(18, 2)) as revenue,
        {{ performance_ratios('by_period') }}
    from by_period

)

select
    recent.departure_airport,
    recent.arrival_airport,
    {{ airport_label('origin', 'recent.departure_airport') }} || ' → '
    || {{ airport_label('target', 'recent.arrival_airport') }} as route,
    recent.flights_scheduled,
    recent.flights_cancelled,
    recent.arrivals_timed,
    recent.flights_on_time,
    recent.passengers,
    recent.revenue,
    recent.completion_percent,
    recent.on_time_percent,
    recent.load_factor_percent,
    recent.revenue_per_seat_km,
    coalesce(before.flights_scheduled, 0) as flights_scheduled_before,
    cast(coalesce(before.revenue, 0) as numeric(18, 2)) as revenue_before,
    before.completion_percent as completion_percent_before,
    before.on_time_percent as on_time_percent_before,
    before.load_factor_percent as load_factor_percent_before,
    before.revenue_per_seat_km as revenue_per_seat_km_before
from figures as recent
left join figures as before
    on
        before.departure_airport = recent.departure_airport
        and before.arrival_airport = recent.arrival_airport
        and not before.is_recent
left join {{ ref('current_airports') }} as origin on origin.airport_code = recent.departure_airport
left join {{ ref('current_airports') }} as target on target.airport_code = recent.arrival_airport
where recent.is_recent

with

by_day as (

    select
        flights.flight_date,
        {{ performance_sums('flights') }}
    from {{ ref('flight_performance') }} as flights
    group by flights.flight_date

),

days as (

    select
        cast(network_day as date) as flight_date,
        {%- for column in performance_columns() %}
        coalesce(by_day.{{ column }}, 0) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ days_between('network_day', today() ~ ' - 60', today() ~ ' - 1') }}
    left join by_day on by_day.flight_date = cast(network_day as date)

)

select
    days.flight_date,
    days.flights_scheduled,
    days.flights_cancelled,
    days.flights_flown,
    days.arrivals_timed,
    days.flights_on_time,
    days.passengers,
    cast(days.revenue as numeric(18, 2)) as revenue,
    cast(days.seat_km as numeric(18, 1)) as seat_km,
    cast(days.passenger_km as numeric(18, 1)) as passenger_km,
    cast(days.seat_km_revenue as numeric(18, 2)) as seat_km_revenue,
    {{ performance_ratios('days') }}
from days

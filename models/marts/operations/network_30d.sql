with

windows as (

    select
        days.flight_date,
        {%- for column in performance_columns() %}
        sum(days.{{ column }}) over thirty_days as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('network_by_day') }} as days
    window thirty_days as (order by days.flight_date rows between 29 preceding and current row)

)

select
    windows.flight_date,
    case windows.flight_date
        when {{ today() }} - 1 then 'last 30 days'
        when {{ today() }} - 31 then '30 days before'
    end as period,
    cast(windows.flights_scheduled as bigint) as flights_scheduled,
    cast(windows.flights_cancelled as bigint) as flights_cancelled,
    cast(windows.flights_flown as bigint) as flights_flown,
    cast(windows.arrivals_timed as bigint) as arrivals_timed,
    cast(windows.flights_on_time as bigint) as flights_on_time,
    cast(windows.passengers as bigint) as passengers,
    cast(windows.revenue as numeric(18, 2)) as revenue,
    cast(windows.seat_km as numeric(18, 1)) as seat_km,
    cast(windows.passenger_km as numeric(18, 1)) as passenger_km,
    cast(windows.seat_km_revenue as numeric(18, 2)) as seat_km_revenue,
    {{ performance_ratios('windows') }}
from windows
-- the first 29 days have no 30 days behind them
where windows.flight_date >= {{ today() }} - 31

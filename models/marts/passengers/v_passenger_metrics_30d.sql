{{ config(schema='dwh_marts', materialized='view') }}

with

window_days as (

    {{ window_days() }}

),

segments as (

    {{ window_segments() }}

),

by_day as (

    select
        segments.flight_date,
        count(distinct segments.passenger_id) as unique_passengers,
        count(distinct segments.book_ref) as bookings,
        count(*) as flights,
        sum(segments.amount) as revenue
    from segments
    group by segments.flight_date

),

whole_window as (

    select
        count(distinct segments.passenger_id) as unique_passengers,
        count(distinct segments.book_ref) as bookings,
        count(*) as flights,
        sum(segments.amount) as revenue
    from segments

)

select
    window_days.flight_date,

    coalesce(by_day.unique_passengers, 0) as unique_passengers,
    cast(coalesce(by_day.revenue, 0) as numeric(18, 2)) as revenue,
    cast(by_day.revenue / by_day.bookings as numeric(18, 2)) as avg_check,
    cast(
        cast(by_day.flights as numeric) / by_day.unique_passengers as numeric(10, 2)
    ) as avg_flights_per_passenger,

    whole_window.unique_passengers as unique_passengers_30d,
    cast(coalesce(whole_window.revenue, 0) as numeric(18, 2)) as revenue_30d,
    cast(
        whole_window.revenue / nullif(whole_window.bookings, 0) as numeric(18, 2)
    ) as avg_check_30d,
    cast(
        cast(whole_window.flights as numeric) / nullif(whole_window.unique_passengers, 0)
        as numeric(10, 2)
    ) as avg_flights_per_passenger_30d
from window_days
cross join whole_window
left join by_day on by_day.flight_date = window_days.flight_date

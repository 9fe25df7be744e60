-- Each figure of the whole window is a subquery of its own, so a chart that shows one pays for that one.

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

passengers as (

    select distinct segments.passenger_id from segments

),

bookings as (

    select distinct segments.book_ref from segments
where segments.book_ref is not null

)

select
    window_days.flight_date,

    coalesce(by_day.unique_passengers, 0) as unique_passengers,
    cast(coalesce(by_day.revenue, 0) as numeric(18, 2)) as revenue,
    cast(by_day.revenue / nullif(by_day.bookings, 0) as numeric(18, 2)) as avg_check,
    cast(
        {{ as_numeric('by_day.flights') }} / by_day.unique_passengers as numeric(10, 2)
    ) as avg_flights_per_passenger,

    (select count(*) from passengers) as unique_passengers_30d,
    cast((select coalesce(sum(segments.amount), 0) from segments) as numeric(18, 2)) as revenue_30d,
    cast(
        (select sum(segments.amount) from segments)
        / nullif((select count(*) from bookings), 0) as numeric(18, 2)
    ) as avg_check_30d,
    cast(
        {{ as_numeric('(select count(*) from segments)') }}
        / nullif((select count(*) from passengers), 0) as numeric(10, 2)
    ) as avg_flights_per_passenger_30d,
    {{ is_whole_day('window_days.flight_date') }} as is_whole_day
from window_days
left join by_day on by_day.flight_date = window_days.flight_date

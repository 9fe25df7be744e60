with

segments as (

    {{ window_segments() }}

),

passengers as (

    select
        segments.passenger_id,
        count(*) as flights,
        sum(segments.amount) as revenue
    from segments
    group by segments.passenger_id

),

-- a group reaches from its own threshold up to the next one
passenger_groups as (

    select
        thresholds.passenger_group,
        thresholds.min_flights,
        lead(thresholds.min_flights) over (order by thresholds.min_flights) as min_flights_above
    from {{ ref('passenger_group_thresholds') }} as thresholds

),

grouped as (

    select
        passenger_groups.passenger_group,
        count(passengers.passenger_id) as passengers,
        sum(passengers.flights) as flights,
        coalesce(sum(passengers.revenue), 0) as revenue
    from passenger_groups
    left join passengers
        on passengers.flights >= passenger_groups.min_flights
        and (
            passenger_groups.min_flights_above is null
            or passengers.flights < passenger_groups.min_flights_above
        )
    group by passenger_groups.passenger_group

),

revenue_shares as (

    {{ percent_shares('grouped', 'passenger_group', 'revenue') }}

)

select
    grouped.passenger_group,
    grouped.passengers,
    cast(grouped.flights / nullif(grouped.passengers, 0) as numeric(10, 2)) as flights_per_passenger,
    cast(grouped.revenue as numeric(18, 2)) as group_revenue,
    revenue_shares.share_percent as revenue_share_percent
from grouped
join revenue_shares on revenue_shares.passenger_group = grouped.passenger_group

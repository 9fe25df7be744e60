-- Wrong if this returns a row: a passenger is in two groups or in none, the groups' revenue does not sum to the window's, or their shares to 100.
select *
from (
    select
        sum(passengers) as passengers,
        sum(group_revenue) as group_revenue,
        sum(revenue_share_percent) as revenue_share_percent
    from {{ ref('v_passenger_groups_revenue') }}
) as grouped
cross join (
    select
        max(unique_passengers_30d) as unique_passengers_30d,
        max(revenue_30d) as revenue_30d
    from {{ ref('v_passenger_metrics_30d') }}
) as metrics
where
    passengers <> unique_passengers_30d
    or group_revenue <> revenue_30d
    or revenue_share_percent <> case when group_revenue > 0 then 100 else 0 end

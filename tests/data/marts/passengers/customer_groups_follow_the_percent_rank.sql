-- Wrong if this returns a row: a frequent flyer's group is not what the rank by purchase_sum makes it (counted, not by percent_rank).
with
ranked as (
    select
        flyers.passenger_id,
        flyers.customer_group,
        -- exact: of the others, how many bought more, and how many others there are
        rank() over (order by flyers.purchase_sum desc) - 1 as better,
        greatest(count(*) over () - 1, 1) as others
    from {{ ref('frequent_flyers') }} as flyers
)

select *
from ranked
where
    customer_group <> case
        when 100 * better <= 5 * others then '5'
        when 100 * better <= 10 * others then '10'
        when 100 * better <= 25 * others then '25'
        when 100 * better <= 50 * others then '50'
        else '50+'
    end

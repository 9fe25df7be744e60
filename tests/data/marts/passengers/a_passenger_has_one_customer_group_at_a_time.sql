-- Wrong if this returns a row: two rows of a passenger's group history overlap, or follow each other with the same group and no gap.
select
    earlier.passenger_id,
    earlier.customer_group,
    earlier.dbt_valid_from,
    earlier.dbt_valid_to,
    later.dbt_valid_from as later_valid_from
from {{ ref('customer_group_history') }} as earlier
join {{ ref('customer_group_history') }} as later
    on
        later.passenger_id = earlier.passenger_id
        and later.dbt_valid_from > earlier.dbt_valid_from
where
    earlier.dbt_valid_to is null
    or earlier.dbt_valid_to > later.dbt_valid_from
    or (earlier.dbt_valid_to = later.dbt_valid_from and earlier.customer_group = later.customer_group)

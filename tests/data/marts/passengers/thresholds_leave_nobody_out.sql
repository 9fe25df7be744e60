-- Wrong if this returns a row: a passenger with one flight has no passenger group, or the last of the percent rank has no customer group.
select 'passenger_group_thresholds' as seed
from {{ ref('passenger_group_thresholds') }}
having min(min_flights) > 1

union all

select 'customer_group_thresholds' as seed
from {{ ref('customer_group_thresholds') }}
having max(max_percent_rank) < 1

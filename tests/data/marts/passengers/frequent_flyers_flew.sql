-- Wrong if this returns a row: somebody is a frequent flyer without a flight, or for a negative sum.
select flyers.*
from {{ ref('frequent_flyers') }} as flyers
where
    flyers.flights_number < 1
    or flyers.purchase_sum < 0

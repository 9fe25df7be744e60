-- Wrong if this returns a row: somebody is a frequent flyer without a flight, for a negative sum, or at an airport that is none.
select flyers.*
from {{ ref('frequent_flyers') }} as flyers
where
    flyers.flights_number < 1
    or flyers.purchase_sum < 0
    or not flyers.home_airport ~ '^[A-Z0-9]{3}$'

{{ config(materialized='view') }}

select
    {{ shown_to_readers_of('frequent_flyers_personal', 'flyers.passenger_id', 'flyers.pseudonym') }} as passenger_id,
    {{ shown_to_readers_of('frequent_flyers_personal', 'flyers.passenger_name', 'flyers.pseudonym') }} as passenger_name,
    flyers.flights_number,
    flyers.purchase_sum,
    flyers.home_airport,
    flyers.customer_group,
    flyers.updated_at
from {{ ref('frequent_flyers_personal') }} as flyers

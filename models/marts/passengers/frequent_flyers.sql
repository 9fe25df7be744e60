{{ config(materialized='view') }}

select
    {{ shown_to_readers_of('frequent_flyers_personal', 'coalesce(persons.value, flyers.passenger_id)', 'flyers.pseudonym') }} as passenger_id,
    {{ shown_to_readers_of('frequent_flyers_personal', 'coalesce(names.value, flyers.passenger_name)', 'flyers.pseudonym') }} as passenger_name,
    flyers.flights_number,
    flyers.purchase_sum,
    flyers.home_airport,
    flyers.customer_group,
    flyers.updated_at
from {{ ref('frequent_flyers_personal') }} as flyers
-- Whoever was forgotten is in the book no more, and stays a token.
left join {{ source('staging_pii', 'identity') }} as persons on persons.token = flyers.passenger_id
left join {{ source('staging_pii', 'identity') }} as names on names.token = flyers.passenger_name

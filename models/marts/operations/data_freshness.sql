{{ config(meta={'as_of': false}) }}

with

-- By number, backwards: one row of the index is read, however many batches there were.
newest as (

    select batches.opened_at, batches.closed_at
    from {{ ref('load_batches') }} as batches
    where batches.is_closed
    order by batches.load_batch_id desc
    limit 1

),

-- a row also before the first batch
warehouse as (

    select
        (select newest.opened_at from newest) as data_as_of,
        (select newest.closed_at from newest) as loaded_at

)

select
    warehouse.data_as_of,
    warehouse.loaded_at,
    cast(floor({{ seconds_between(now_timestamp(), 'warehouse.data_as_of') }} / 60) as integer) as minutes_old,
    coalesce(
        {{ now_timestamp() }} - warehouse.data_as_of > interval '{{ var("old_after_minutes") }} minutes', true
    ) as is_old
from warehouse

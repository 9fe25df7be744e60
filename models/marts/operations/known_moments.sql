{{ config(meta={'as_of': false}) }}

with

-- By number: one row of the index is read, however many batches there were.
first_load as (

    select batches.closed_at
    from {{ ref('load_batches') }} as batches
    where batches.is_closed
    order by batches.load_batch_id
    limit 1

),

-- "union" because a midnight is a full hour too
moments as (

    select first_load.closed_at as known_at
    from first_load

    union

    select {{ utc_midnight('cast(known_day as date)') }} as known_at
    from {{ days_between('known_day', today() ~ ' - 13', today()) }}

    union

    select {{ utc_midnight(today()) }} + {{ hours_times('known_hour', 1) }} as known_at
    from {{ numbers_between('known_hour', '-12', '23') }}

)

select
    moments.known_at,
    {{ moment_text('moments.known_at') }} as moment
from moments
inner join first_load on first_load.closed_at <= moments.known_at
where
    moments.known_at <= {{ now_timestamp() }}
    and (
        moments.known_at > {{ now_timestamp() }} - interval '12 hours'
        or (moments.known_at = first_load.closed_at and first_load.closed_at >= {{ utc_midnight(today() ~ ' - 13') }})
        or moments.known_at = {{ utc_midnight(utc_day('moments.known_at')) }}
    )

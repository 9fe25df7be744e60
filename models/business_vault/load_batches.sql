{{ config(meta={'as_of': false}) }}

select
    batch.load_batch_id,
    batch.is_full_refresh,
    batch.opened_at,
    batch.closed_at,
    coalesce(batch.outcome = 'loaded', false) as is_closed,
    -- Load dates of a partition are strictly later than those of the previous batch. A partition with an
    -- empty range did not change; in one without an earlier load date everything is a change.
    (
        select min(coalesce(changed.from_load_date, {{ beginning_of_time() }}))
        from {{ load_batch_relation('load_batch_range') }} as changed
        where
            changed.load_batch_id = batch.load_batch_id
            and changed.to_offset > changed.from_offset
            and changed.topic in ('{{ cdc_topic("flights") }}', '{{ cdc_topic("ticket_flights") }}')
    ) as changes_after
from {{ load_batch_relation('load_batch') }} as batch

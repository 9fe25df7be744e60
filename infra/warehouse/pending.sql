-- (landed offsets that no closed load batch has read, whether a load batch is open)
select
    coalesce(sum(position.next_offset - coalesce(loaded.to_offset, 0)), 0),
    exists (select from dwh_control.load_batch where closed_at is null)
from staging.ingest_offset as position
left join dwh_control.load_batch_range as loaded
    on position.topic = loaded.topic
    and position.kafka_partition = loaded.kafka_partition
    and loaded.load_batch_id = (
        select max(load_batch_id) from dwh_control.load_batch
        where outcome = 'loaded'
    )
where split_part(position.topic, '.', -2) = 'public'

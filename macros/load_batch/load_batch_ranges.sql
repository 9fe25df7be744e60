{#- The ranges of offsets of the batch just opened: from where the last loaded batch ended up to what has
    landed, cut so that no source transaction is split. See _load_batch__macros.yml. -#}
{% macro load_batch_ranges() %}
{%- set transaction_topic = cdc_topic('transaction') -%}
with cuts as (
    select
        change.topic,
        change.kafka_partition,
        min(change.kafka_offset) as to_offset
    from load_batch_change as change
    inner join load_batch_transaction as held
        on
            change.transaction_id = held.transaction_id
            and held.is_held
    where change.topic <> '{{ transaction_topic }}'
    group by change.topic, change.kafka_partition

    union all

    select
        '{{ transaction_topic }}' as topic,
        0 as kafka_partition,
        min(held.place) as to_offset
    from load_batch_transaction as held
    where held.is_held
    having min(held.place) is not null
)

select
    opened.load_batch_id,
    landed.topic,
    landed.kafka_partition,
    landed.from_offset,
    coalesce(cuts.to_offset, landed.next_offset) as to_offset,
    landed.from_load_date
from {{ load_batch_relation('load_batch') }} as opened
cross join load_batch_landed as landed
left join cuts
    on
        landed.topic = cuts.topic
        and landed.kafka_partition = cuts.kafka_partition
where opened.closed_at is null
{% endmacro %}

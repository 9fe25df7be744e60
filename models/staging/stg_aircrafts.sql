with changes as (
    {{ cdc_changes('aircrafts') | indent(4) }}
),

renamed as (
    select
        -- ids
        {{ event_value('aircraft_code') }} as aircraft_code,

        -- strings
        {{ event_value('model', 'jsonb') }} as model,

        -- numerics
        {{ event_value('range', 'integer') }} as range,

        -- what hash keys are made of
        {{ business_key(event_value('aircraft_code')) | indent(8) }} as aircraft_code_business_key,

        -- what a hash difference is made of
        {{ exact_image(['model', 'range']) }} as aircraft_details_image,

        -- change
        kafka_partition,
        kafka_offset,
        source_lsn,
        is_deleted,
        is_truncated,
        load_date
    from changes
)

select * from renamed

with changes as (
    {{ cdc_changes('seats') | indent(4) }}
),

renamed as (
    select
        -- ids
        {{ event_value('aircraft_code') }} as aircraft_code,
        {{ event_value('seat_no') }} as seat_no,

        -- strings
        {{ event_value('fare_conditions') }} as fare_conditions,

        -- what hash keys are made of
        {{ business_key(event_value('aircraft_code')) | indent(8) }} as aircraft_code_business_key,
        {{ business_key(event_value('seat_no')) | indent(8) }} as seat_no_business_key,

        -- what a hash difference is made of
        {{ exact_image(['fare_conditions']) }} as seat_details_image,

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

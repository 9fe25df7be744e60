with changes as (
    {{ cdc_changes('seats') | indent(4) }}
),

renamed as (
    select
        -- ids
        row_image ->> 'aircraft_code' as aircraft_code,
        row_image ->> 'seat_no' as seat_no,

        -- strings
        row_image ->> 'fare_conditions' as fare_conditions,

        -- what hash keys are made of
        {{ business_key("row_image ->> 'aircraft_code'") | indent(8) }} as aircraft_code_business_key,
        {{ business_key("row_image ->> 'seat_no'") | indent(8) }} as seat_no_business_key,

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

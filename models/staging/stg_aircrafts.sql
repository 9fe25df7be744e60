with changes as (
    {{ cdc_changes('aircrafts') | indent(4) }}
),

renamed as (
    select
        -- ids
        row_image ->> 'aircraft_code' as aircraft_code,

        -- strings
        (row_image ->> 'model')::jsonb as model,

        -- numerics
        (row_image ->> 'range')::integer as range,

        -- what hash keys are made of
        {{ business_key("row_image ->> 'aircraft_code'") | indent(8) }} as aircraft_code_business_key,

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

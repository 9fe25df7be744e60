with changes as (
    {{ cdc_changes('airports') | indent(4) }}
),

renamed as (
    select
        -- ids
        {{ event_value('airport_code') }} as airport_code,

        -- strings
        {{ event_value('airport_name') }} as airport_name,
        {{ event_value('city') }} as city,
        {{ event_value('timezone') }} as timezone,

        -- numerics
        {{ event_number('coordinates_lon', 'numeric') }} as coordinates_lon,
        {{ event_number('coordinates_lat', 'numeric') }} as coordinates_lat,

        -- what hash keys are made of
        {{ business_key(event_value('airport_code')) | indent(8) }} as airport_code_business_key,

        -- what a hash difference is made of
        {{ exact_image(['airport_name', 'city', 'coordinates_lon', 'coordinates_lat', 'timezone']) }} as airport_details_image,

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

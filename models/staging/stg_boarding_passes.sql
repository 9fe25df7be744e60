with changes as (
    {{ cdc_changes('boarding_passes') | indent(4) }}
),

renamed as (
    select
        -- ids
        {{ event_value('ticket_no') }} as ticket_no,
        {{ event_value('flight_id', 'bigint') }} as flight_id,

        -- strings
        {{ event_value('seat_no') }} as seat_no,

        -- numerics
        {{ event_value('boarding_no', 'integer') }} as boarding_no,

        -- what hash keys are made of
        {{ business_key(event_value('ticket_no')) | indent(8) }} as ticket_no_business_key,

        -- what a hash difference is made of
        {{ exact_image(['boarding_no', 'seat_no']) }} as boarding_pass_details_image,

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

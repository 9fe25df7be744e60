with changes as (
    {{ cdc_changes('ticket_flights') | indent(4) }}
),

renamed as (
    select
        -- ids
        {{ event_value('ticket_no') }} as ticket_no,
        {{ event_value('flight_id', 'bigint') }} as flight_id,

        -- strings
        {{ event_value('fare_conditions') }} as fare_conditions,

        -- numerics
        {{ event_number('amount', 'numeric(10, 2)') }} as amount,

        -- what hash keys are made of
        {{ business_key(event_value('ticket_no')) | indent(8) }} as ticket_no_business_key,

        -- what a hash difference is made of
        {{ exact_image(['fare_conditions', 'amount']) }} as ticket_flight_details_image,

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

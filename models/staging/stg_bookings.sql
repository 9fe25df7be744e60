with changes as (
    {{ cdc_changes('bookings') | indent(4) }}
),

renamed as (
    select
        -- ids
        {{ event_value('book_ref') }} as book_ref,

        -- numerics
        {{ event_number('total_amount', 'numeric(12, 2)') }} as total_amount,

        -- timestamps
        {{ event_timestamp('book_date') }} as book_date,

        -- what hash keys are made of
        {{ business_key(event_value('book_ref')) | indent(8) }} as book_ref_business_key,

        -- what a hash difference is made of
        {{ exact_image(['book_date', 'total_amount']) }} as booking_details_image,

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

with changes as (
    {{ cdc_changes('tickets') | indent(4) }}
),

renamed as (
    select
        -- ids
        {{ event_value('ticket_no') }} as ticket_no,
        {{ event_value('book_ref') }} as book_ref,
        {{ event_value('passenger_id') }} as passenger_id,

        -- strings
        {{ event_value('passenger_name') }} as passenger_name,
        {{ event_value('contact_data', 'jsonb') }} as contact_data,

        -- what hash keys are made of
        {{ business_key(event_value('ticket_no')) | indent(8) }} as ticket_no_business_key,
        {{ reference_key(event_value('book_ref')) | indent(8) }} as book_ref_business_key,
        {{ reference_key(event_value('passenger_id')) | indent(8) }} as passenger_id_business_key,

        -- what a hash difference is made of
        {{ exact_image(['book_ref', 'passenger_id']) }} as ticket_details_image,
        {{ exact_image(['passenger_name', 'contact_data']) }} as passenger_details_image,

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

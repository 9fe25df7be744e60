with changes as (
    {{ cdc_changes('tickets') | indent(4) }}
),

renamed as (
    select
        -- ids
        row_image ->> 'ticket_no' as ticket_no,
        row_image ->> 'book_ref' as book_ref,
        row_image ->> 'passenger_id' as passenger_id,

        -- strings
        row_image ->> 'passenger_name' as passenger_name,
        (row_image ->> 'contact_data')::jsonb as contact_data,

        -- what hash keys are made of
        {{ business_key("row_image ->> 'ticket_no'") | indent(8) }} as ticket_no_business_key,
        {{ reference_key("row_image ->> 'book_ref'") | indent(8) }} as book_ref_business_key,
        {{ reference_key("row_image ->> 'passenger_id'") | indent(8) }} as passenger_id_business_key,

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

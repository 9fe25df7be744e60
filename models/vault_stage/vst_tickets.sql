{%- set metadata -%}
source_model: stg_tickets
derived_columns:
    record_source: "!{{ cdc_topic('tickets') }}"
    source_system_id: "{{ var('source_system_id') }}"
hashed_columns:
    ticket_hash_key: ticket_no_business_key
    booking_hash_key: book_ref_business_key
    passenger_hash_key: passenger_id_business_key
    ticket_booking_hash_key: [ticket_no_business_key, book_ref_business_key, passenger_id_business_key]
    ticket_details_hash_diff: {is_hashdiff: true, columns: [ticket_details_image]}
    passenger_details_hash_diff: {is_hashdiff: true, columns: [passenger_details_image]}
    ticket_status_hash_diff: {is_hashdiff: true, columns: [is_deleted]}
{%- endset -%}
{%- set metadata = fromyaml(metadata) -%}

{{ automate_dv.stage(
    include_source_columns=true,
    source_model=metadata['source_model'],
    derived_columns=metadata['derived_columns'],
    hashed_columns=metadata['hashed_columns']
) }}

{%- set metadata -%}
source_model: stg_bookings
derived_columns:
    record_source: "!{{ cdc_topic('bookings') }}"
    source_system_id: "{{ var('source_system_id') }}"
hashed_columns:
    booking_hash_key: book_ref_business_key
    booking_details_hash_diff: {is_hashdiff: true, columns: [booking_details_image]}
    booking_status_hash_diff: {is_hashdiff: true, columns: [is_deleted]}
{%- endset -%}
{%- set metadata = fromyaml(metadata) -%}

{{ automate_dv.stage(
    include_source_columns=true,
    source_model=metadata['source_model'],
    derived_columns=metadata['derived_columns'],
    hashed_columns=metadata['hashed_columns']
) }}

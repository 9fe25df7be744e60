{%- set metadata -%}
source_model: stg_seats
derived_columns:
    record_source: "!{{ cdc_topic('seats') }}"
    source_system_id: "{{ var('source_system_id') }}"
hashed_columns:
    seat_hash_key: [aircraft_code_business_key, seat_no_business_key]
    aircraft_hash_key: aircraft_code_business_key
    aircraft_seat_hash_key: [aircraft_code_business_key, seat_no_business_key]
    seat_details_hash_diff: {is_hashdiff: true, columns: [seat_details_image]}
    seat_status_hash_diff: {is_hashdiff: true, columns: [is_deleted]}
{%- endset -%}
{%- set metadata = fromyaml(metadata) -%}

{{ automate_dv.stage(
    include_source_columns=true,
    source_model=metadata['source_model'],
    derived_columns=metadata['derived_columns'],
    hashed_columns=metadata['hashed_columns']
) }}

{%- set metadata -%}
source_model: stg_boarding_passes
derived_columns:
    record_source: "!{{ cdc_topic('boarding_passes') }}"
    source_system_id: "{{ var('source_system_id') }}"
hashed_columns:
    ticket_flight_hash_key: [ticket_no_business_key, flight_id]
    ticket_hash_key: ticket_no_business_key
    flight_hash_key: flight_id
    boarding_pass_details_hash_diff: {is_hashdiff: true, columns: [boarding_pass_details_image]}
    boarding_pass_status_hash_diff: {is_hashdiff: true, columns: [is_deleted]}
{%- endset -%}
{%- set metadata = fromyaml(metadata) -%}

{{ automate_dv.stage(
    include_source_columns=true,
    source_model=metadata['source_model'],
    derived_columns=metadata['derived_columns'],
    hashed_columns=metadata['hashed_columns']
) }}

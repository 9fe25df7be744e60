{%- set metadata -%}
source_model: stg_aircrafts
derived_columns:
    record_source: "!{{ cdc_topic('aircrafts') }}"
    source_system_id: "{{ var('source_system_id') }}"
hashed_columns:
    aircraft_hash_key: aircraft_code_business_key
    aircraft_details_hash_diff: {is_hashdiff: true, columns: [aircraft_details_image]}
    aircraft_status_hash_diff: {is_hashdiff: true, columns: [is_deleted]}
{%- endset -%}
{%- set metadata = fromyaml(metadata) -%}

{{ automate_dv.stage(
    include_source_columns=true,
    source_model=metadata['source_model'],
    derived_columns=metadata['derived_columns'],
    hashed_columns=metadata['hashed_columns']
) }}

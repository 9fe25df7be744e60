{%- set metadata -%}
source_model: stg_airports
derived_columns:
    record_source: "!{{ cdc_topic('airports') }}"
    source_system_id: "{{ var('source_system_id') }}"
hashed_columns:
    airport_hash_key: airport_code_business_key
    airport_details_hash_diff: {is_hashdiff: true, columns: [airport_details_image]}
    airport_status_hash_diff: {is_hashdiff: true, columns: [is_deleted]}
{%- endset -%}
{%- set metadata = fromyaml(metadata) -%}

{{ automate_dv.stage(
    include_source_columns=true,
    source_model=metadata['source_model'],
    derived_columns=metadata['derived_columns'],
    hashed_columns=metadata['hashed_columns']
) }}

{%- set metadata -%}
source_model: stg_flight_airports
derived_columns:
    record_source: "!{{ cdc_topic('flights') }}"
    source_system_id: "{{ var('source_system_id') }}"
hashed_columns:
    airport_hash_key: airport_code_business_key
{%- endset -%}
{%- set metadata = fromyaml(metadata) -%}

{{ automate_dv.stage(
    include_source_columns=true,
    source_model=metadata['source_model'],
    derived_columns=metadata['derived_columns'],
    hashed_columns=metadata['hashed_columns']
) }}

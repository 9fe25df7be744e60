{%- set metadata -%}
source_model: stg_flights
derived_columns:
    record_source: "!{{ cdc_topic('flights') }}"
    source_system_id: "{{ var('source_system_id') }}"
hashed_columns:
    flight_hash_key: flight_id
    departure_airport_hash_key: departure_airport_business_key
    arrival_airport_hash_key: arrival_airport_business_key
    aircraft_hash_key: aircraft_code_business_key
    flight_leg_hash_key: [flight_id, departure_airport_business_key, arrival_airport_business_key, aircraft_code_business_key]
    flight_details_hash_diff: {is_hashdiff: true, columns: [flight_details_image]}
    flight_status_hash_diff: {is_hashdiff: true, columns: [is_deleted]}
{%- endset -%}
{%- set metadata = fromyaml(metadata) -%}

{{ automate_dv.stage(
    include_source_columns=true,
    source_model=metadata['source_model'],
    derived_columns=metadata['derived_columns'],
    hashed_columns=metadata['hashed_columns']
) }}

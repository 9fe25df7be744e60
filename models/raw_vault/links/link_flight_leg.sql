{{ config(indexes=[
    {'columns': ['flight_leg_hash_key'], 'unique': true},
    {'columns': ['flight_hash_key']}
]) }}

{{ automate_dv.link(
    src_pk='flight_leg_hash_key',
    src_fk=['flight_hash_key', 'departure_airport_hash_key', 'arrival_airport_hash_key', 'aircraft_hash_key'],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_flights'
) }}

{{ config(indexes=[
    {'columns': ['flight_hash_key', 'load_date'], 'unique': true},
    {'columns': ['load_date'], 'type': 'brin'}
]) }}

{{ automate_dv.sat(
    src_pk='flight_hash_key',
    src_hashdiff={'source_column': 'flight_status_hash_diff', 'alias': 'hash_diff'},
    src_payload='is_deleted',
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_flights'
) }}

{{ config(indexes=[{'columns': ['aircraft_hash_key'], 'unique': true}]) }}

{{ automate_dv.hub(
    src_pk='aircraft_hash_key',
    src_nk='aircraft_code',
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model=['vst_aircrafts', 'vst_seats', 'vst_flights']
) }}

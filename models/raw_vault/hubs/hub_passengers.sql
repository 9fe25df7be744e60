{{ config(indexes=[{'columns': ['passenger_hash_key'], 'unique': true}]) }}

{{ automate_dv.hub(
    src_pk='passenger_hash_key',
    src_nk='passenger_id',
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_tickets'
) }}

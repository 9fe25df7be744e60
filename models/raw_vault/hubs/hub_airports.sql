{{ config(indexes=[{'columns': ['airport_hash_key'], 'unique': true}]) }}

{{ automate_dv.hub(
    src_pk='airport_hash_key',
    src_nk='airport_code',
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model=['vst_airports', 'vst_flight_airports']
) }}

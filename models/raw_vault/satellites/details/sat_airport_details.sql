{{ config(indexes=[{'columns': ['airport_hash_key', 'load_date'], 'unique': true}]) }}

{{ automate_dv.sat(
    src_pk='airport_hash_key',
    src_hashdiff={'source_column': 'airport_details_hash_diff', 'alias': 'hash_diff'},
    src_payload=['airport_name', 'city', 'coordinates_lon', 'coordinates_lat', 'timezone'],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_airports'
) }}

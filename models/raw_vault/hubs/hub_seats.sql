{{ config(indexes=[{'columns': ['seat_hash_key'], 'unique': true}]) }}

{{ automate_dv.hub(
    src_pk='seat_hash_key',
    src_nk=['aircraft_code', 'seat_no'],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_seats'
) }}

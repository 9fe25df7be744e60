{{ config(indexes=[{'columns': ['ticket_flight_hash_key', 'load_date'], 'unique': true}]) }}

{{ automate_dv.sat(
    src_pk='ticket_flight_hash_key',
    src_hashdiff={'source_column': 'boarding_pass_details_hash_diff', 'alias': 'hash_diff'},
    src_payload=['boarding_no', 'seat_no'],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_boarding_passes'
) }}

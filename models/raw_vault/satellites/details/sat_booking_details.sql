{{ config(indexes=[
    {'columns': ['booking_hash_key', 'load_date'], 'unique': true},
    {'columns': ['load_date'], 'type': 'brin'}
]) }}

{{ automate_dv.sat(
    src_pk='booking_hash_key',
    src_hashdiff={'source_column': 'booking_details_hash_diff', 'alias': 'hash_diff'},
    src_payload=['book_date', 'total_amount'],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_bookings'
) }}

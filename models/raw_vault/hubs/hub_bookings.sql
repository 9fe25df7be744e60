{{ config(indexes=[{'columns': ['booking_hash_key'], 'unique': true}]) }}

{{ automate_dv.hub(
    src_pk='booking_hash_key',
    src_nk='book_ref',
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model=['vst_bookings', 'vst_tickets']
) }}

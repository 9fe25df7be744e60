{{ config(indexes=[
    {'columns': ['ticket_booking_hash_key'], 'unique': true},
    {'columns': ['ticket_hash_key']},
    {'columns': ['booking_hash_key']},
    {'columns': ['passenger_hash_key']}
]) }}

{{ automate_dv.link(
    src_pk='ticket_booking_hash_key',
    src_fk=['ticket_hash_key', 'booking_hash_key', 'passenger_hash_key'],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_tickets'
) }}

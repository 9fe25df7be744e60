{{ config(indexes=[
    {'columns': ['ticket_flight_hash_key'], 'unique': true},
    {'columns': ['ticket_hash_key']},
    {'columns': ['flight_hash_key']}
]) }}

{{ automate_dv.link(
    src_pk='ticket_flight_hash_key',
    src_fk=['ticket_hash_key', 'flight_hash_key'],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model=['vst_ticket_flights', 'vst_boarding_passes']
) }}

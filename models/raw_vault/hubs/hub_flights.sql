{{ config(indexes=[{'columns': ['flight_hash_key'], 'unique': true}]) }}

{{ automate_dv.hub(
    src_pk='flight_hash_key',
    src_nk='flight_id',
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model=['vst_flights', 'vst_ticket_flights', 'vst_boarding_passes']
) }}

{{ config(indexes=[{'columns': ['ticket_hash_key'], 'unique': true}]) }}

{{ automate_dv.hub(
    src_pk='ticket_hash_key',
    src_nk='ticket_no',
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model=['vst_tickets', 'vst_ticket_flights', 'vst_boarding_passes']
) }}

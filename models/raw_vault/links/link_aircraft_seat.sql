{{ config(indexes=[
    {'columns': ['aircraft_seat_hash_key'], 'unique': true}
]) }}

{{ automate_dv.link(
    src_pk='aircraft_seat_hash_key',
    src_fk=['aircraft_hash_key', 'seat_hash_key'],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_seats'
) }}

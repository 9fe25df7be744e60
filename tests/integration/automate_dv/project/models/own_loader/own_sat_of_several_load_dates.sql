{{ config(enabled=var('own_loader', '') == 'own_sat_of_several_load_dates', materialized='incremental') }}
{{ automate_dv.sat(src_pk='CUSTOMER_HK', src_hashdiff='CUSTOMER_HASHDIFF', src_payload='NAME', src_ldts=['L', 'M'], src_source='RECORD_SOURCE', source_model='batch_details') }}

{{ config(enabled=var('own_loader', '') == 'own_sat_of_several_keys', materialized='incremental') }}
{{ automate_dv.sat(src_pk=['A', 'B'], src_hashdiff='CUSTOMER_HASHDIFF', src_payload='NAME', src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='batch_details') }}

{{ config(enabled=var('own_loader', '') == 'own_sat_of_unknown_payload', materialized='incremental') }}
{{ automate_dv.sat(src_pk='CUSTOMER_HK', src_hashdiff='CUSTOMER_HASHDIFF', src_payload={'but': ['NAME']}, src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='batch_details') }}

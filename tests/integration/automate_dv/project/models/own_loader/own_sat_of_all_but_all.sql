{{ config(enabled=var('own_loader', '') == 'own_sat_of_all_but_all', materialized='incremental') }}
{{ automate_dv.sat(src_pk='CUSTOMER_HK', src_hashdiff='CUSTOMER_HASHDIFF', src_payload={'exclude_columns': true, 'columns': ['NAME', 'AGE', 'NOTE', 'EFFECTIVE_FROM']}, src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='batch_details') }}

{{ config(unlogged=true, indexes=[{'columns': ['hk', 'load_date', 'name'], 'unique': true}]) }}
{{ automate_dv.ma_sat(src_pk='HK', src_cdk='NAME', src_hashdiff='HASH_DIFF', src_payload='ID', src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='cost_batch') }}

{{ config(unlogged=true, indexes=[{'columns': ['hk'], 'unique': true}]) }}
{{ automate_dv.hub(src_pk='HK', src_nk='ID', src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='cost_batch') }}

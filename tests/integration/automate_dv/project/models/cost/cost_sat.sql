{{ config(unlogged=true, indexes=[{'columns': ['hk', 'load_date'], 'unique': true}], meta={'apply_source_filter': true}) }}
{{ automate_dv.sat(src_pk='HK', src_hashdiff='HASH_DIFF', src_payload='NAME', src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='cost_batch') }}

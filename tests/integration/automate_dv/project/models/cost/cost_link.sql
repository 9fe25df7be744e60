{{ config(unlogged=true, indexes=[{'columns': ['hk'], 'unique': true}]) }}
{{ automate_dv.link(src_pk='HK', src_fk=['ONE_HK', 'OTHER_HK'], src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='cost_batch') }}

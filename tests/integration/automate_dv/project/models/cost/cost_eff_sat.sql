{{ config(
    unlogged=true, meta={'is_auto_end_dating': true},
    indexes=[{'columns': ['hk', 'load_date'], 'unique': true}, {'columns': ['driving_hk']}]
) }}
{{ automate_dv.eff_sat(
    src_pk='HK', src_dfk='DRIVING_HK', src_sfk='OTHER_HK', src_start_date='STARTED', src_end_date='ENDED',
    src_eff='EFFECTIVE_FROM', src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='cost_batch'
) }}

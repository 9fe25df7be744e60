{{ config(meta={'is_auto_end_dating': true}, indexes=[{'columns': ['employment_hk', 'load_date']}]) }}
{{ automate_dv.eff_sat(
    src_pk='EMPLOYMENT_HK', src_dfk='PERSON_HK', src_sfk='COMPANY_HK', src_start_date='STARTED', src_end_date='ENDED',
    src_eff='EFFECTIVE_FROM', src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='batch_employments'
) }}

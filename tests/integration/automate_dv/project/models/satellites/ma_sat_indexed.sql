{{ config(indexes=[{'columns': ['customer_hk', 'load_date']}]) }}
{{ automate_dv.ma_sat(
    src_pk='CUSTOMER_HK', src_cdk=['PHONE', 'EXTENSION'], src_hashdiff={'source_column': 'PHONE_HASHDIFF', 'alias': 'HASH_DIFF'},
    src_payload=['KIND'], src_extra_columns=['NOTE'], src_eff='EFFECTIVE_FROM', src_ldts='LOAD_DATE',
    src_source='RECORD_SOURCE', source_model='batch_phones'
) }}

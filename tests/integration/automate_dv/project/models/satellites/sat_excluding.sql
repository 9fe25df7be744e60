{{ automate_dv.sat(
    src_pk='CUSTOMER_HK', src_hashdiff={'source_column': 'CUSTOMER_HASHDIFF', 'alias': 'HASH_DIFF'},
    src_payload={'exclude_columns': true, 'columns': ['NOTE']}, src_eff='EFFECTIVE_FROM', src_ldts='LOAD_DATE',
    src_source='RECORD_SOURCE', source_model='batch_details'
) }}

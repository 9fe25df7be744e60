{{ automate_dv.hub(
    src_pk='CUSTOMER_HK', src_nk=['CUSTOMER_ID', 'REGION'], src_ldts='LOAD_DATE', src_source='RECORD_SOURCE',
    source_model=['batch_customers_a', 'batch_customers_b']
) }}

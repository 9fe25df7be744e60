{{ automate_dv.nh_link(
    src_pk='ORDER_HK', src_fk=['CUSTOMER_HK', 'PRODUCT_HK'], src_payload=['AMOUNT'], src_extra_columns=['NOTE'],
    src_eff='PAID_AT', src_ldts='LOAD_DATE', src_source='RECORD_SOURCE', source_model='batch_payments'
) }}

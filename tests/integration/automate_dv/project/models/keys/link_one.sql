{{ automate_dv.link(
    src_pk='ORDER_HK', src_fk=['CUSTOMER_HK', 'PRODUCT_HK'], src_extra_columns='NOTE', src_ldts='LOAD_DATE',
    src_source='RECORD_SOURCE', source_model='batch_orders'
) }}

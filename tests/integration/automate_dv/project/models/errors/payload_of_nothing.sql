{{ automate_dv.sat(src_pk='A', src_hashdiff='H', src_payload={'exclude_columns': false}, src_ldts='L', src_source='S', source_model='stage_base') }}

{{ automate_dv.hub(src_pk='A', src_nk=[], src_ldts='L', source_model='stage_base') }}

{{ automate_dv.link(src_pk='A', src_fk='B', src_ldts='L', src_source='S', source_model='stage_base', src_colour='C') }}

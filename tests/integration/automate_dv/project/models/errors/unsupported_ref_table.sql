select {{ automate_dv.ref_table('x', src_pk='A') }}

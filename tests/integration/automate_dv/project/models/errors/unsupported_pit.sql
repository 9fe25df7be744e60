select {{ automate_dv.pit('x', src_pk='A') }}

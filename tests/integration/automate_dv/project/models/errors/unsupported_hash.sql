select {{ automate_dv.hash('x', src_pk='A') }}

select {{ automate_dv.bridge('x', src_pk='A') }}

select {{ automate_dv.xts('x', src_pk='A') }}

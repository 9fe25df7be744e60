select {{ automate_dv.ma_sat('x', src_pk='A') }}

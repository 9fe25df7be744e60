select {{ automate_dv.eff_sat('x', src_pk='A') }}

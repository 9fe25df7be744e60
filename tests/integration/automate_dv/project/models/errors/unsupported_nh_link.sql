select {{ automate_dv.nh_link('x', src_pk='A') }}

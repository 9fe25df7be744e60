select {{ automate_dv.t_link('x', src_pk='A') }}

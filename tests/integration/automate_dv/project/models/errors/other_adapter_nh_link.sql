{{ automate_dv.default__nh_link(source_model='x') }}

{{ automate_dv.nh_link() }}

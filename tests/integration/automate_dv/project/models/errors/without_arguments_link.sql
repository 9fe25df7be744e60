{{ automate_dv.link() }}

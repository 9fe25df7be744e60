{{ automate_dv.sat() }}

{{ automate_dv.eff_sat() }}

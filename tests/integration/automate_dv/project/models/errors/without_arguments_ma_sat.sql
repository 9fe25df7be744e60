{{ automate_dv.ma_sat() }}

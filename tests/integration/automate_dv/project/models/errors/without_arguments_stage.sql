{{ automate_dv.stage() }}

{{ automate_dv.default__eff_sat(source_model='x') }}

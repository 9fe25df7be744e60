{{ automate_dv.default__ma_sat(source_model='x') }}

{{ automate_dv.default__sat(source_model='x') }}

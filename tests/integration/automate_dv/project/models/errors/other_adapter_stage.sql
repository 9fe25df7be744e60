{{ automate_dv.default__stage(source_model='x') }}

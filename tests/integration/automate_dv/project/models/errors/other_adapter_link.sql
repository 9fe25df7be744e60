{{ automate_dv.default__link(source_model='x') }}

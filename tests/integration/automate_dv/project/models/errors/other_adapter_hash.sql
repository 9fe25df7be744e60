{{ automate_dv.default__hash(columns='x') }}

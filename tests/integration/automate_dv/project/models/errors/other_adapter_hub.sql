{{ automate_dv.default__hub(source_model='x') }}

{{ automate_dv.stage(source_model={'raw': 'stage_input'}) }}

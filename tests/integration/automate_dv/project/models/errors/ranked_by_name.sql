{{ automate_dv.stage(source_model={'raw': 'never_built'}, include_source_columns=false, ranked_columns={'POSITION': 'A'}) }}

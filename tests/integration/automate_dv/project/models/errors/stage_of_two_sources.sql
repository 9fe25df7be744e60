{{ automate_dv.stage(source_model={'raw': 'never_built', 'other': 'table'}, include_source_columns=false) }}

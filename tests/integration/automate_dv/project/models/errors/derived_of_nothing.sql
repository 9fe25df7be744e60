{{ automate_dv.stage(source_model={'raw': 'never_built'}, include_source_columns=false, derived_columns={'NAME': {'escape': true}}) }}

{{ automate_dv.stage(
    source_model={'raw': 'never_built'},
    derived_columns={'NAME': 'upper(NAME)'},
    hashed_columns={'ID_HK': 'ID', 'DIFF': {'is_hashdiff': true, 'exclude_columns': true, 'columns': ['ID']}}
) }}

{{ automate_dv.stage(
    include_source_columns=false,
    source_model={'raw': 'stage_input'},
    derived_columns={'NAME': 'upper(NAME)'},
    null_columns={'REQUIRED': ['CODE'], 'Optional': 'REGION'},
    hashed_columns={'ID_HK': 'ID'},
    ranked_columns={'POSITION': {'partition_by': 'ID', 'order_by': 'PART'}}
) }}

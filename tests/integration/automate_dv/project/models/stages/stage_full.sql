{{ automate_dv.stage(
    source_model='stage_base',
    derived_columns={
        'Kind': '!a constant',
        'NAME': "NAME || '!'",
        'LABEL': ['NAME', 'Code', '!end'],
        'SHOUTED': {'source_column': 'Mixed Case', 'escape': true},
        'SPOKEN': {'source_column': ['Mixed Case', 'order', '!.'], 'escape': true},
        'COPIED': {'source_column': 'CODE'},
        'HASHED_LATER': '!derived',
    },
    null_columns={'required': 'CODE', 'optional': ['REGION', 'Kind']},
    hashed_columns={
        'CODE_HK': 'CODE',
        'NAME_HK': 'NAME',
        'REGION_HK': 'REGION',
        'hashed_later': 'ID',
        'DIFF': {'is_hashdiff': true, 'exclude_columns': true, 'columns': ['ID', 'Mixed Case', 'ORDER', 'PART']},
    },
    ranked_columns={
        'RANKED': {'partition_by': 'CODE_HK', 'order_by': 'PART'},
        'DENSE': {'partition_by': ['CODE', 'CODE_HK'], 'order_by': {'PART': 'DESC'}, 'dense_rank': true},
        'MIXED': {'partition_by': 'CODE', 'order_by': ['PART', {'ID': 'DESC'}]},
    }
) }}

{{ automate_dv.stage(
    source_model={'raw': 'hash_input'},
    hashed_columns={
        'ONE': 'A',
        'CONSTANT': '!abc ',
        'LISTED': ['C', 'A'],
        'LIST_OF_ONE': ['A'],
        'WITH_CONSTANT': ['A', '!k'],
        'TYPES': ['NUMBER', 'AMOUNT', 'BORN', 'MOMENT', 'FLAG'],
        'DIFF': {'is_hashdiff': true, 'columns': ['C', 'b', 'A']},
        'DIFF_OF_ONE': {'is_hashdiff': true, 'columns': ['A']},
        'DIFF_OF_STRING': {'is_hashdiff': true, 'columns': 'A'},
        'DIFF_BUT': {
            'is_hashdiff': true,
            'exclude_columns': true,
            'columns': ['Id', 'NUMBER', 'amount', 'BORN', 'Moment', 'FLAG'],
        },
        'DIFF_OF_ALL': {'is_hashdiff': true, 'exclude_columns': true},
    }
) }}

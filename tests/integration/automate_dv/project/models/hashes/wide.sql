{#- More columns than CONCAT_WS takes. -#}
{%- set names = [] -%}
{%- for number in range(150) -%}{%- do names.append('c%03d' % number) -%}{%- endfor -%}
{{ automate_dv.stage(
    include_source_columns=false,
    source_model={'raw': 'wide_input'},
    hashed_columns={
        'WIDE_KEY': names,
        'WIDE_DIFF': {'is_hashdiff': true, 'columns': names},
        'WIDE_DIFF_OF_ALL': {'is_hashdiff': true, 'exclude_columns': true},
    }
) }}

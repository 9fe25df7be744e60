{%- macro hub(src_pk=none, src_nk=none, src_extra_columns=none, src_ldts=none, src_source=none, source_model=none) -%}
    {%- do automate_dv.check_call('hub', {
        'src_pk': src_pk, 'src_nk': src_nk, 'src_ldts': src_ldts, 'src_source': src_source, 'source_model': source_model
    }, kwargs, varargs) -%}
    {{- adapter.dispatch('hub', 'automate_dv')(
        src_pk=src_pk,
        src_nk=src_nk,
        src_extra_columns=src_extra_columns,
        src_ldts=src_ldts,
        src_source=src_source,
        source_model=source_model
    ) -}}
{%- endmacro -%}


{%- macro default__hub() -%}
    {%- do automate_dv.refuse_adapter('hub', kwargs) -%}
{%- endmacro -%}


{%- macro postgres__hub(src_pk, src_nk, src_extra_columns, src_ldts, src_source, source_model) -%}
    {%- set key = automate_dv.column_names(src_pk, 'src_pk') -%}
    {{- automate_dv.first_seen_keys(
        macro_name='hub',
        key=key,
        not_null=key,
        attributes=automate_dv.column_names(src_nk, 'src_nk'),
        extra=automate_dv.column_names(src_extra_columns, 'src_extra_columns'),
        load_date=automate_dv.column_names(src_ldts, 'src_ldts'),
        record_source=automate_dv.column_names(src_source, 'src_source'),
        source_model=source_model
    ) -}}
{%- endmacro -%}

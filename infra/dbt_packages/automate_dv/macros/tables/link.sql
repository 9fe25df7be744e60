{%- macro link(src_pk=none, src_fk=none, src_extra_columns=none, src_ldts=none, src_source=none, source_model=none) -%}
    {%- do automate_dv.check_call('link', {
        'src_pk': src_pk, 'src_fk': src_fk, 'src_ldts': src_ldts, 'src_source': src_source, 'source_model': source_model
    }, kwargs, varargs) -%}
    {{- adapter.dispatch('link', 'automate_dv')(
        src_pk=src_pk,
        src_fk=src_fk,
        src_extra_columns=src_extra_columns,
        src_ldts=src_ldts,
        src_source=src_source,
        source_model=source_model
    ) -}}
{%- endmacro -%}


{%- macro default__link() -%}
    {%- do automate_dv.refuse_adapter('link', kwargs) -%}
{%- endmacro -%}


{%- macro postgres__link(src_pk, src_fk, src_extra_columns, src_ldts, src_source, source_model) -%}
    {%- set key = automate_dv.column_names(src_pk, 'src_pk') -%}
    {%- set foreign_keys = automate_dv.column_names(src_fk, 'src_fk') -%}
    {{- automate_dv.first_seen_keys(
        macro_name='link',
        key=key,
        not_null=key + foreign_keys,
        attributes=foreign_keys,
        extra=automate_dv.column_names(src_extra_columns, 'src_extra_columns'),
        load_date=automate_dv.column_names(src_ldts, 'src_ldts'),
        record_source=automate_dv.column_names(src_source, 'src_source'),
        source_model=source_model
    ) -}}
{%- endmacro -%}

{%- macro nh_link(src_pk=none, src_fk=none, src_payload=none, src_extra_columns=none, src_eff=none, src_ldts=none,
                  src_source=none, source_model=none) -%}
    {%- do automate_dv.check_call('nh_link', {
        'src_pk': src_pk, 'src_fk': src_fk, 'src_ldts': src_ldts, 'src_source': src_source, 'source_model': source_model
    }, kwargs, varargs) -%}
    {{- adapter.dispatch('nh_link', 'automate_dv')(
        src_pk=src_pk,
        src_fk=src_fk,
        src_payload=src_payload,
        src_extra_columns=src_extra_columns,
        src_eff=src_eff,
        src_ldts=src_ldts,
        src_source=src_source,
        source_model=source_model
    ) -}}
{%- endmacro -%}


{%- macro default__nh_link() -%}
    {%- do automate_dv.refuse_adapter('nh_link', kwargs) -%}
{%- endmacro -%}


{#- Distinct whole rows whose key the target lacks. -#}
{%- macro postgres__nh_link(src_pk, src_fk, src_payload, src_extra_columns, src_eff, src_ldts, src_source,
                            source_model) -%}
    {%- set key = automate_dv.column_names(src_pk, 'src_pk') -%}
    {%- set foreign_keys = automate_dv.column_names(src_fk, 'src_fk') -%}
    {%- set columns = key + foreign_keys
        + automate_dv.column_names(src_payload, 'src_payload')
        + automate_dv.column_names(src_extra_columns, 'src_extra_columns')
        + automate_dv.column_names(src_eff, 'src_eff')
        + automate_dv.column_names(src_ldts, 'src_ldts')
        + automate_dv.column_names(src_source, 'src_source') -%}

with batch as (
    select distinct {{ columns | join(', ') }}
    from {{ automate_dv.only_source_model(source_model, 'nh_link') }}
    where {{ automate_dv.all_not_null(key + foreign_keys) }}
)

select {{ automate_dv.columns_of('batch', columns) }}
from batch
    {%- if is_incremental() %}
        {{- automate_dv.where_target_lacks(this, 'batch', key) }}
    {%- endif %}
{% endmacro -%}

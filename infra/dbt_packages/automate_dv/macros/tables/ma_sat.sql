{%- macro ma_sat(src_pk=none, src_cdk=none, src_hashdiff=none, src_payload=none, src_extra_columns=none, src_eff=none,
                 src_ldts=none, src_source=none, source_model=none) -%}
    {%- do automate_dv.check_call('ma_sat', {
        'src_pk': src_pk, 'src_cdk': src_cdk, 'src_hashdiff': src_hashdiff, 'src_payload': src_payload,
        'src_ldts': src_ldts, 'src_source': src_source, 'source_model': source_model
    }, kwargs, varargs) -%}
    {{- adapter.dispatch('ma_sat', 'automate_dv')(
        src_pk=src_pk,
        src_cdk=src_cdk,
        src_hashdiff=src_hashdiff,
        src_payload=src_payload,
        src_extra_columns=src_extra_columns,
        src_eff=src_eff,
        src_ldts=src_ldts,
        src_source=src_source,
        source_model=source_model
    ) -}}
{%- endmacro -%}


{%- macro default__ma_sat() -%}
    {%- do automate_dv.refuse_adapter('ma_sat', kwargs) -%}
{%- endmacro -%}


{#- The unit of change is the whole set of a key's rows: when the batch's set of (hashdiff, child key) is not the set
    that the target holds at the key's newest load date, every row of the batch's set goes in. -#}
{%- macro postgres__ma_sat(src_pk, src_cdk, src_hashdiff, src_payload, src_extra_columns, src_eff, src_ldts, src_source,
                           source_model) -%}
    {%- set key = automate_dv.column_names(src_pk, 'src_pk') -%}
    {%- set child_key = automate_dv.column_names(src_cdk, 'src_cdk') -%}
    {%- set hashdiff = automate_dv.hashdiff_column(src_hashdiff) -%}
    {%- set before = key + child_key
        + automate_dv.column_names(src_payload, 'src_payload')
        + automate_dv.column_names(src_extra_columns, 'src_extra_columns') -%}
    {%- set load_date = automate_dv.column_names(src_ldts, 'src_ldts') -%}
    {%- set after = automate_dv.column_names(src_eff, 'src_eff') + load_date
        + automate_dv.column_names(src_source, 'src_source') -%}
    {%- set columns = before + [hashdiff['name']] + after -%}
    {%- set member = key + child_key + [hashdiff['name']] -%}
    {%- set incremental = is_incremental() -%}

with batch as (
    select distinct {{ (before + [hashdiff['selected']] + after) | join(', ') }}
    from {{ automate_dv.only_source_model(source_model, 'ma_sat') }}
    where {{ automate_dv.all_not_null(key + child_key) }}
)
    {%- if incremental %},

newest_load as (
    {{- automate_dv.newest_of_target(this, 'batch', key, load_date, key + load_date) }}
),

current_set as (
    select distinct {{ automate_dv.columns_of('target', member) }}
    from newest_load
    inner join {{ this }} as target on {{ automate_dv.same_key('target', 'newest_load', key + load_date) }}
),

batch_set as (
    select distinct {{ member | join(', ') }}
    from batch
),

changed as (
    select {{ key | join(', ') }} from batch_set
    where not exists (
        select 1 from current_set
        where {{ automate_dv.same_key('current_set', 'batch_set', key + child_key) }}
            and current_set.{{ hashdiff['name'] }} is not distinct from batch_set.{{ hashdiff['name'] }}
    )
    union
    select {{ key | join(', ') }} from current_set
    where not exists (
        select 1 from batch_set
        where {{ automate_dv.same_key('batch_set', 'current_set', key + child_key) }}
            and batch_set.{{ hashdiff['name'] }} is not distinct from current_set.{{ hashdiff['name'] }}
    )
)
    {%- endif %}

select {{ automate_dv.columns_of('batch', columns) }}
from batch
    {%- if incremental %}
where exists (select 1 from changed where {{ automate_dv.same_key('changed', 'batch', key) }})
    {%- endif %}
{% endmacro -%}

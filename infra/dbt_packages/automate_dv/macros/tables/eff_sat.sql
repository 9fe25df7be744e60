{%- macro eff_sat(src_pk=none, src_dfk=none, src_sfk=none, src_extra_columns=none, src_start_date=none,
                  src_end_date=none, src_eff=none, src_ldts=none, src_source=none, source_model=none) -%}
    {%- do automate_dv.check_call('eff_sat', {
        'src_pk': src_pk, 'src_dfk': src_dfk, 'src_sfk': src_sfk, 'src_start_date': src_start_date,
        'src_end_date': src_end_date, 'src_eff': src_eff, 'src_ldts': src_ldts, 'src_source': src_source,
        'source_model': source_model
    }, kwargs, varargs) -%}
    {{- adapter.dispatch('eff_sat', 'automate_dv')(
        src_pk=src_pk,
        src_dfk=src_dfk,
        src_sfk=src_sfk,
        src_extra_columns=src_extra_columns,
        src_start_date=src_start_date,
        src_end_date=src_end_date,
        src_eff=src_eff,
        src_ldts=src_ldts,
        src_source=src_source,
        source_model=source_model
    ) -}}
{%- endmacro -%}


{%- macro default__eff_sat() -%}
    {%- do automate_dv.refuse_adapter('eff_sat', kwargs) -%}
{%- endmacro -%}


{#- When a relationship began and ended. The target is asked about the batch's keys only and, with auto end-dating,
    about the keys that share a driving key with the batch (an index on the driving key keeps that bounded too). -#}
{%- macro postgres__eff_sat(src_pk, src_dfk, src_sfk, src_extra_columns, src_start_date, src_end_date, src_eff, src_ldts,
                            src_source, source_model) -%}
    {%- set key = automate_dv.column_names(src_pk, 'src_pk') -%}
    {%- set driving_key = automate_dv.column_names(src_dfk, 'src_dfk') -%}
    {%- set secondary_key = automate_dv.column_names(src_sfk, 'src_sfk') -%}
    {%- set extra = automate_dv.column_names(src_extra_columns, 'src_extra_columns') -%}
    {%- set start_date = automate_dv.column_names(src_start_date, 'src_start_date') -%}
    {%- set end_date = automate_dv.column_names(src_end_date, 'src_end_date') -%}
    {%- set effective_from = automate_dv.column_names(src_eff, 'src_eff') -%}
    {%- set load_date = automate_dv.column_names(src_ldts, 'src_ldts') -%}
    {%- set record_source = automate_dv.column_names(src_source, 'src_source') -%}
    {%- set kept_when_closed = key + driving_key + secondary_key + extra + start_date -%}
    {%- set columns = kept_when_closed + end_date + effective_from + load_date + record_source -%}
    {%- set age = load_date + effective_from -%}
    {%- set closes = automate_dv.model_switch('is_auto_end_dating') -%}

with batch as (
    select distinct {{ columns | join(', ') }}
    from {{ automate_dv.only_source_model(source_model, 'eff_sat') }}
    where {{ automate_dv.all_not_null(key + driving_key + secondary_key) }}
)
    {%- if not is_incremental() %}

select {{ columns | join(', ') }}
from batch
    {%- else %},

newest_of_key as (
    {{- automate_dv.newest_of_target(this, 'batch', key, age, columns) }}
),

started as (
    select {{ automate_dv.columns_of('batch', columns) }}
    from batch
    where not exists (
        select 1 from newest_of_key where {{ automate_dv.same_key('newest_of_key', 'batch', key) }}
    )
),

reopened as (
    select {{ automate_dv.columns_of('batch', columns) }}
    from batch
    inner join newest_of_key on {{ automate_dv.same_key('newest_of_key', 'batch', key) }}
    where not {{ automate_dv.is_open('newest_of_key.' ~ end_date[0]) }}
        and {{ automate_dv.is_open('batch.' ~ end_date[0]) }}
        {#- Without this a repeated batch would reopen what a later one closed. #}
        and batch.{{ load_date[0] }} > newest_of_key.{{ load_date[0] }}
)
        {%- if closes %},

sharing_driving_key as (
    select distinct {{ automate_dv.columns_of('target', key) }}
    from {{ this }} as target
    where exists (
        select 1 from batch where {{ automate_dv.same_key('batch', 'target', driving_key) }}
    )
),

newest_sharing as (
    {{- automate_dv.newest_of_target(this, 'sharing_driving_key', key, age, columns) }}
),

closed as (
    {#- Once per key, by the oldest row that displaces it, however many do. #}
    select distinct on ({{ automate_dv.columns_of('newest_sharing', key) }})
        {{ automate_dv.columns_of('newest_sharing', kept_when_closed) }},
        batch.{{ effective_from[0] }} as {{ end_date[0] }},
        {{ automate_dv.columns_of('batch', effective_from + load_date) }},
        {{ automate_dv.columns_of('newest_sharing', record_source) }}
    from newest_sharing
    inner join batch on {{ automate_dv.same_key('batch', 'newest_sharing', driving_key) }}
        and not ({{ automate_dv.same_key('batch', 'newest_sharing', key) }})
        and batch.{{ load_date[0] }} > newest_sharing.{{ load_date[0] }}
    where {{ automate_dv.is_open('newest_sharing.' ~ end_date[0]) }}
    order by {{ automate_dv.columns_of('newest_sharing', key) }},
        {{ automate_dv.columns_of('batch', age + key) }}
)
        {%- endif %}

select {{ columns | join(', ') }} from started
union all
select {{ columns | join(', ') }} from reopened
        {%- if closes %}
union all
select {{ columns | join(', ') }} from closed
        {%- endif %}
    {%- endif %}
{% endmacro -%}


{%- macro is_open(end_date) -%}
    {%- set never = automate_dv.literal(automate_dv.setting('max_datetime', '9999-12-31 23:59:59.999')) -%}
    {{- return('(cast(' ~ end_date ~ ' as date) = cast(cast(' ~ never ~ ' as timestamp) as date))') -}}
{%- endmacro -%}

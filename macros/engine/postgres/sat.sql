{#- The satellite loader: AutomateDV's `sat`, at a cost proportional to the batch, and idempotent for a repeated batch.
    See macros/automate_dv/README.md. -#}
{% macro postgres__sat(src_pk, src_hashdiff, src_payload, src_extra_columns, src_eff, src_ldts, src_source, source_model) %}

{%- if var('enable_ghost_records', false) -%}
    {{ exceptions.raise_compiler_error("The satellite loader of this project makes no ghost records; unset enable_ghost_records.") }}
{%- endif -%}

{%- set src_pk = one_column(src_pk, 'src_pk') -%}
{%- set src_eff = one_column(src_eff, 'src_eff') -%}
{%- set src_ldts = one_column(src_ldts, 'src_ldts') -%}
{%- set hash_diff_source = one_column(src_hashdiff.source_column if src_hashdiff is mapping else src_hashdiff, 'src_hashdiff') -%}
{%- set hash_diff = (src_hashdiff.alias if src_hashdiff is mapping else none) or hash_diff_source -%}
{%- set options = config.get('meta') or {} -%}
{%- set change_order = options.get('change_order', src_eff or src_ldts) -%}
{%- set stage = one_column(source_model, 'source_model') -%}
{%- set source_relation = ref(stage) if stage else '' -%}
{%- set named = automate_dv_columns([src_extra_columns, src_eff, src_ldts, src_source]) -%}
{%- set payload = automate_dv_payload(src_payload, source_relation, named + [src_pk, hash_diff_source, hash_diff]) -%}
{%- set others = payload + named -%}

with staged as (
    select
        {{ src_pk }},
        {{ hash_diff_source }} as {{ hash_diff }},
        {% for column in others %}{{ column }},
        {% endfor %}{{ change_order }} as change_order
    from {{ source_relation }}
    where
        {{ src_pk }} is not null
        and {{ hash_diff_source }} is not null
        {%- if options.get('stage_filter') %}
        and {{ options.get('stage_filter') }}
        {%- endif %}
    {%- if options.get('expand_truncates') %}
    union all
    select
        truncated.{{ src_pk }},
        (truncated.staged).{{ hash_diff_source }},
        {% for column in others %}(truncated.staged).{{ column }},
        {% endfor %}truncated.change_order
    from (
        {{ truncated_keys(source_relation, src_pk, src_ldts, change_order) | indent(8) }}
    ) as truncated
    {%- endif %}
),

-- Changes of a key with the same load date belong to one transaction: the last one is what was committed.
committed as (
    select *
    from (
        select
            staged.*,
            lead(staged.{{ src_ldts }}) over (
                partition by staged.{{ src_pk }} order by staged.{{ src_ldts }}, staged.change_order
            ) as next_load_date
        from staged
    ) as with_next
    where next_load_date is distinct from {{ src_ldts }}
),
{% if is_incremental() %}
-- One index look-up per key of the batch, never a scan of the history.
newest as (
    select
        batch_key.{{ src_pk }},
        version.{{ hash_diff }} as newest_hash_diff,
        version.{{ src_ldts }} as newest_load_date
    from (select distinct {{ src_pk }} from committed) as batch_key
    left join lateral (
        select
            target.{{ hash_diff }},
            target.{{ src_ldts }}
        from {{ this }} as target
        where target.{{ src_pk }} = batch_key.{{ src_pk }}
        order by target.{{ src_ldts }} desc
        limit 1
    ) as version on true
),

-- A version not newer than the satellite's was loaded before: so a repeated batch adds nothing.
candidates as (
    select
        committed.*,
        newest.newest_hash_diff
    from committed
    inner join newest on committed.{{ src_pk }} = newest.{{ src_pk }}
    where newest.newest_load_date is null or committed.{{ src_ldts }} > newest.newest_load_date
),
{% else %}
candidates as (
    select
        committed.*,
        null::bytea as newest_hash_diff
    from committed
),
{% endif %}
compared as (
    select
        candidates.*,
        coalesce(
            lag({{ hash_diff }}) over (partition by {{ src_pk }} order by {{ src_ldts }}),
            newest_hash_diff
        ) as previous_hash_diff
    from candidates
)

select
    {{ src_pk }},
    {{ hash_diff }}
    {%- for column in others %},
    {{ column }}
    {%- endfor %}
from compared
where previous_hash_diff is distinct from {{ hash_diff }}
{% endmacro %}

{#- Which days a run of airport_passenger_flow computes. -#}

{% macro flow_interval() %}
    {#- (first day, last day) as SQL expressions: the data interval passed in, or today. -#}
    {%- set day = iso_date_var('flow_date') -%}
    {%- set first = iso_date_var('flow_from') or day -%}
    {%- set last = iso_date_var('flow_to') or day -%}
    {%- if day and (iso_date_var('flow_from') or iso_date_var('flow_to')) -%}
        {{ exceptions.raise_compiler_error(
            "The variables flow_date and flow_from/flow_to are both set, so it is not clear which "
            ~ "days to compute. Pass flow_date for one day, or flow_from and flow_to for several."
        ) }}
    {%- elif (first is none) != (last is none) -%}
        {{ exceptions.raise_compiler_error(
            "Only one of the variables flow_from and flow_to is set. Pass both (they may be equal), "
            ~ "or flow_date for one day."
        ) }}
    {%- elif first and first > last -%}
        {{ exceptions.raise_compiler_error(
            "flow_from (" ~ first ~ ") is later than flow_to (" ~ last ~ "), so there is no day to "
            ~ "compute. Exchange them."
        ) }}
    {%- endif -%}
    {%- if first -%}
        {{ return(("cast('" ~ first ~ "' as date)", "cast('" ~ last ~ "' as date)")) }}
    {%- endif -%}
    {{ return((today(), today())) }}
{% endmacro %}


{% macro flow_last_day() -%}
    {{ flow_interval()[1] }}
{%- endmacro %}


{% macro flow_days_to_compute() %}
    {#- Incremental runs only. The interval's days; every day between the table's newest and the
        interval (runs that did not happen); and each earlier day touched by a change that the table
        may not include.

        A run that wrote a row of day D computed every day up to D from the vault as it was after the
        row's load_batch_id. So the newest load_batch_id among the rows at or after the interval's last
        day (or at the table's newest day, if that is earlier) holds for all days of this run. Changes
        of later batches are found by commit time: all changes of a batch are later than its
        changes_after. The table remembers a batch and not a commit time, because topics land at
        different speeds: a segment committed before a flight's change can arrive in a later batch. -#}
    {%- set first_day, last_day = flow_interval() -%}
    with built as (
        select max(flow.flight_date) as newest_day
        from {{ this }} as flow
    ),

    known as (
        select max(flow.load_batch_id) as load_batch_id
        from {{ this }} as flow
        where flow.flight_date >= (select least(built.newest_day, {{ last_day }}) from built)
    ),

    unseen as (
        select
            case
                -- an empty table knows nothing
                when max(known.load_batch_id) is null then {{ beginning_of_time() }}
                else min(batches.changes_after)
            end as changed_since
        from known
        left join {{ ref('load_batches') }} as batches
            on batches.load_batch_id > known.load_batch_id
    )

    select changes.flight_date
    from {{ ref('changed_flow_days') }} as changes
    -- without a new batch this is null, and no day has changed
    where
        changes.changed_at > (select unseen.changed_since from unseen)
        and changes.flight_date <= {{ last_day }}

    union

    select cast(flow_day as date) as flight_date
    from built
    cross join lateral {{ days_between('flow_day', 'least(' ~ first_day ~ ', built.newest_day + 1)', last_day) }}
{% endmacro %}

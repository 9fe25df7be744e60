{#- One delete for each row that a TRUNCATE event removed, for a status satellite. See _cdc__macros.yml. -#}
{% macro truncated_keys(source_relation, key, load_date, change_order) %}
select
    live.{{ key }},
    truncation.load_date,
    truncation.change_order,
    truncation.staged
from (
    select
        {{ load_date }} as load_date,
        {{ change_order }} as change_order,
        staged
    from {{ source_relation }} as staged
    where staged.is_truncated
) as truncation
cross join lateral (
    select earlier.{{ key }}
    from {{ source_relation }} as earlier
    where
        earlier.{{ key }} is not null
        and (earlier.{{ load_date }}, earlier.{{ change_order }})
        < (truncation.load_date, truncation.change_order)
    {%- if is_incremental() %}
    union
    select newest.{{ key }}
    from (
        select distinct on (version.{{ key }})
            version.{{ key }},
            version.is_deleted
        from {{ this }} as version
        -- Correlated with the truncation, so without one no history is scanned.
        where version.{{ load_date }} < truncation.load_date
        order by version.{{ key }}, version.{{ load_date }} desc
    ) as newest
    where not newest.is_deleted
    {%- endif %}
) as live
{% endmacro %}

{#- One delete for each row that a TRUNCATE event removed, for a status satellite. See _cdc__macros.yml. -#}
{% macro truncated_keys(source_relation, key, load_date, change_order) %}
{%- set versions_before -%}
{{ this }} as version
        -- Correlated with the truncation, so without one no history is scanned.
        where version.{{ load_date }} < truncation.load_date
{%- endset %}
select
    live.{{ key }},
    truncation.load_date,
    truncation.change_order,
    truncation.staged
from (
    select
        {{ load_date }} as load_date,
        {{ change_order }} as change_order,
        {{ whole_row('staged') }}
    from {{ source_relation }} as staged
    where staged.is_truncated
) as truncation
cross join lateral (
    select earlier.{{ key }}
    from {{ source_relation }} as earlier
    where
        earlier.{{ key }} is not null
        and {{ row_value(['earlier.' ~ load_date, 'earlier.' ~ change_order]) }}
        < {{ row_value(['truncation.load_date', 'truncation.change_order']) }}
    {%- if is_incremental() %}
    union
    select newest.{{ key }}
    from (
        {{ first_of_each(
            key='version.' ~ key,
            columns=['version.' ~ key, 'version.is_deleted'],
            rows=versions_before,
            order_by=['version.' ~ load_date ~ ' desc']
        ) | indent(8) }}
    ) as newest
    where not newest.is_deleted
    {%- endif %}
) as live
{% endmacro %}

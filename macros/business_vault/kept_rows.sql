{#- The SQL of a table with the incremental strategy keep_current. See _business_vault__macros.yml. -#}
{% macro kept_rows(rows, stage, also=none) -%}
{#- here, so that dbt sees it when it parses -#}
{%- set staged_relation = ref(stage) -%}
{%- set hash_key = config.get('unique_key') -%}
{%- if not is_incremental() -%}
{{ rows }}
{%- else -%}
select
    changed.{{ hash_key }}
    {%- for column in adapter.get_columns_in_relation(this) if column.name != hash_key %},
    found.{{ column.name }}
    {%- endfor %}
from (
    select staged.{{ hash_key }}
    from {{ staged_relation }} as staged
    where not staged.is_truncated
    union
    -- a truncation touches every row
    select kept.{{ hash_key }}
    from {{ this }} as kept
    where
        exists (select 1 from {{ staged_relation }} as staged where staged.is_truncated)
        {%- if also %}
        or exists (select 1 from {{ ref(also.stage) }} as staged where staged.is_truncated)
    union
    {{ also.hash_keys | indent(4) }}
        {%- endif %}
) as changed
-- planned apart: an index look-up per key, independent of statistics
left join lateral (
    {{ rows | indent(4) }}
    {{ planned_apart() }}
) as found on true
{%- endif -%}
{%- endmacro %}

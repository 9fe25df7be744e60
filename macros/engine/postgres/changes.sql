{#- Upserts current rows and deletes rows that are gone. See macros/engine/README.md. -#}
{% macro postgres__keep_current(relation, key, columns, rows) %}
{%- set values = columns | reject('equalto', key) | list -%}
with computed as materialized (
    {{ rows }}
),

gone as (
    delete from {{ relation }}
    where
        ctid = any(array(
            -- offset 0 forces an index look-up, independent of statistics
            select kept.row_place
            from computed
            cross join lateral (
                select held.ctid as row_place
                from {{ relation }} as held
                where held.{{ key }} = computed.{{ key }}
                offset 0
            ) as kept
            where num_nonnulls({{ values | join(', ') }}) = 0
        ))
)

insert into {{ relation }} as kept ({{ columns | join(', ') }})
select {{ columns | join(', ') }}
from computed
where num_nonnulls({{ values | join(', ') }}) > 0
on conflict ({{ key }}) do update
set ({{ values | join(', ') }}) = row(excluded.{{ values | join(', excluded.') }})
where
    row(kept.{{ values | join(', kept.') }})
    is distinct from row(excluded.{{ values | join(', excluded.') }})
{% endmacro %}


{#- Replaces whole slices of a table. See macros/engine/README.md. -#}
{% macro postgres__replace_slices(relation, slice, row_key, columns, computed) %}
    set local lock_timeout = '{{ var('lock_patience') }}';
    delete from {{ relation }}
    where ({{ slice | join(', ') }}) in (select {{ slice | join(', ') }} from {{ computed }});

    insert into {{ relation }} ({{ columns }})
    select {{ columns }}
    from {{ computed }}
    where num_nulls({{ row_key | join(', ') }}) = 0
{% endmacro %}

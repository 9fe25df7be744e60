{#- The newest version of each key of a satellite, as a subquery. See _business_vault__macros.yml. -#}
{% macro newest(satellite, key) -%}
    (
        select version.*
        from {{ ref(satellite) }} as version
        where not exists (
            select 1
            from {{ ref(satellite) }} as newer
            where
                newer.{{ key }} = version.{{ key }}
                and newer.load_date > version.load_date
        )
    )
{%- endmacro %}

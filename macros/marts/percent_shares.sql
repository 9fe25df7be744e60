{% macro percent_shares(relation, key, value) %}
    {#- Rounding each share by itself makes them sum to 99.98 or 100.03. So every row gets its share
        cut down to a hundredth of a percent, and the hundredths left over go, one each, to the rows
        that lost most (largest remainder). -#}
    select
        {{ key }},
        cast(
            coalesce(
                whole + case when place <= 10000 - sum(whole) over () then 1 else 0 end, 0
            ) / 100
            as numeric(5, 2)
        ) as share_percent
    from (
        select
            {{ key }},
            div(10000 * amount, total) as whole,
            row_number() over (order by mod(10000 * amount, total) desc, {{ key }}) as place
        from (
            select
                {{ key }},
                cast({{ value }} as numeric) as amount,
                nullif(sum({{ value }}) over (), 0) as total
            from {{ relation }}
        ) as amounts
    ) as places
{% endmacro %}

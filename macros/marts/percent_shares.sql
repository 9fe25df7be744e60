{% macro percent_shares(relation, key, value) %}
    {#- Shares that are rounded one by one sum to 99.98 or 100.03. So each share is rounded down to a hundredth of a
        percent, and the remaining hundredths go, one each, to the rows with the largest remainders. -#}
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
            {{ whole_quotient('10000 * amount', 'total') }} as whole,
            row_number() over (order by mod(10000 * amount, total) desc, {{ key }}) as place
        from (
            select
                {{ key }},
                {{ as_numeric(value) }} as amount,
                nullif(sum({{ value }}) over (), 0) as total
            from {{ relation }}
        ) as amounts
    ) as places
{% endmacro %}

{#- What flights do for the airline, summed and divided the same way for a day, 30 days and a route. -#}

{% macro performance_columns() -%}
    {{ return([
        'flights_scheduled', 'flights_cancelled', 'flights_flown', 'arrivals_timed', 'flights_on_time',
        'passengers', 'revenue', 'seat_km', 'passenger_km', 'seat_km_revenue',
    ]) }}
{%- endmacro %}


{% macro performance_sums(flights) -%}
    count(*) as flights_scheduled,
        count(*) filter (where {{ flights }}.status = 'Cancelled') as flights_cancelled,
        count(*) filter (where {{ has_flown(flights) }}) as flights_flown,
        count({{ flights }}.arrival_delay_minutes) as arrivals_timed,
        count(*) filter (where {{ flights }}.is_on_time) as flights_on_time,
        cast(sum({{ flights }}.passengers) as bigint) as passengers,
        sum({{ flights }}.revenue) as revenue,
        coalesce(sum({{ flights }}.seat_km), 0) as seat_km,
        coalesce(sum({{ flights }}.passenger_km), 0) as passenger_km,
        coalesce(sum({{ flights }}.revenue) filter (where {{ flights }}.seat_km > 0), 0) as seat_km_revenue
{%- endmacro %}


{% macro performance_ratios(sums) -%}
    cast(
        100.0 * {{ sums }}.flights_flown / nullif({{ sums }}.flights_flown + {{ sums }}.flights_cancelled, 0) as numeric(5, 2)
    ) as completion_percent,
    cast(100.0 * {{ sums }}.flights_on_time / nullif({{ sums }}.arrivals_timed, 0) as numeric(5, 2)) as on_time_percent,
    cast(100.0 * {{ sums }}.passenger_km / nullif({{ sums }}.seat_km, 0) as numeric(10, 2)) as load_factor_percent,
    cast({{ sums }}.seat_km_revenue / nullif({{ sums }}.seat_km, 0) as numeric(18, 4)) as revenue_per_seat_km
{%- endmacro %}

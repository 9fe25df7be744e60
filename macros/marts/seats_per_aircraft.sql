{% macro seats_per_aircraft() %}
    select seats.aircraft_code, count(*) as seats
    from {{ ref('current_seats') }} as seats
    group by seats.aircraft_code
{% endmacro %}

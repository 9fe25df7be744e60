{% macro great_circle_km(origin, target) -%}
    {#- The haversine formula, exact also for short distances. With atan2, because between antipodes rounding may give
        asin() an argument of 1.0000000000000002, and least(1, …) would turn NULL for an unknown place into 1. -#}
    {%- set from_lat, to_lat = plausible_degrees(origin ~ '.coordinates_lat', 90), plausible_degrees(target ~ '.coordinates_lat', 90) -%}
    {%- set from_lon, to_lon = plausible_degrees(origin ~ '.coordinates_lon', 180), plausible_degrees(target ~ '.coordinates_lon', 180) -%}
    {%- set latitude = 'radians(' ~ to_lat ~ ' - ' ~ from_lat ~ ') / 2' -%}
    {%- set longitude = 'radians(' ~ to_lon ~ ' - ' ~ from_lon ~ ') / 2' -%}
    {%- set chord -%}
        power(sin({{ latitude }}), 2)
        + cos(radians({{ from_lat }}))
        * cos(radians({{ to_lat }}))
        * power(sin({{ longitude }}), 2)
    {%- endset -%}
    2 * 6371.0088 * atan2(sqrt({{ chord }}), sqrt(abs(1 - ({{ chord }}))))
{%- endmacro %}

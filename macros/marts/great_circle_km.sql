{% macro great_circle_km(origin, target) -%}
    {#- Haversine, exact also for places close to each other. The distance is written as an arctangent of
        two sides, because rounding can ask an arcsine for 1.0000000000000002 between antipodes, and
        least(1, …) would make an unknown place an antipode. -#}
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

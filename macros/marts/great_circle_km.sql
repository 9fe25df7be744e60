{% macro great_circle_km(origin, target) -%}
    {#- Haversine, exact also for places close to each other. The distance is written as an arctangent of
        two sides, because rounding can ask an arcsine for 1.0000000000000002 between antipodes, and
        least(1, …) would make an unknown place an antipode. -#}
    {%- set latitude = 'radians(cast(' ~ target ~ '.coordinates_lat - ' ~ origin ~ '.coordinates_lat as double precision)) / 2' -%}
    {%- set longitude = 'radians(cast(' ~ target ~ '.coordinates_lon - ' ~ origin ~ '.coordinates_lon as double precision)) / 2' -%}
    {%- set chord -%}
        power(sin({{ latitude }}), 2)
        + cos(radians(cast({{ origin }}.coordinates_lat as double precision)))
        * cos(radians(cast({{ target }}.coordinates_lat as double precision)))
        * power(sin({{ longitude }}), 2)
    {%- endset -%}
    2 * 6371.0088 * atan2(sqrt({{ chord }}), sqrt(abs(1 - ({{ chord }}))))
{%- endmacro %}

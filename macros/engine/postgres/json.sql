{% macro postgres__json_value(text) -%}
    {{ text }}::jsonb
{%- endmacro %}


{% macro postgres__json_text(value, member) -%}
    {{ value }} ->> '{{ member }}'
{%- endmacro %}


{% macro postgres__json_member(value, member) -%}
    {{ value }} -> '{{ member }}'
{%- endmacro %}


{% macro postgres__json_object(members) -%}
    jsonb_build_object({% for name, value in members.items() %}'{{ name }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}


{% macro postgres__json_image(value, members) -%}
    jsonb_build_array({% for name in members %}{{ postgres__json_member(value, name) }}{{ ', ' if not loop.last }}{% endfor %})::text
{%- endmacro %}


{% macro postgres__json_has_any(value, members) -%}
    {{ value }} ?| array['{{ members | join("', '") }}']
{%- endmacro %}

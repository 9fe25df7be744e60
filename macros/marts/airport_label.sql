{% macro airport_label(airports, code) -%}
    {#- A code without a row in airports is its own label. -#}
    coalesce({{ airports }}.city || ' (' || {{ code }} || ')', {{ code }})
{%- endmacro %}

{#- A number from `row_image`. See _cdc__macros.yml. -#}
{% macro event_number(column, type) -%}
    ({{ event_number_text("row_image ->> '" ~ column ~ "'") | indent(4) }})::{{ type }}
{%- endmacro %}


{#- The text of a number as PostgreSQL reads it. -#}
{% macro event_number_text(text) -%}
    case {{ text }}
        when 'POSITIVE_INFINITY' then 'Infinity'
        when 'NEGATIVE_INFINITY' then '-Infinity'
        else {{ text }}
    end
{%- endmacro %}

{#- A text column as it goes into hash keys. See _cdc__macros.yml. -#}
{% macro business_key(column) -%}
    case
        when
            {{ column }} <> ''
            and {{ column }} = btrim({{ column }}, ' ')
            and {{ column }} = translate({{ column }}, E'\x1d\x1e\x1f', '')
            then {{ column }}
        -- What AutomateDV would trim, take for NULL, or take for two keys; in characters that it leaves alone.
        when {{ column }} is not null then E'\x1d' || encode(convert_to({{ column }}, 'UTF8'), 'hex')
    end
{%- endmacro %}


{#- The same of a column that refers to another table, in a staging model: NULL is the zero key. -#}
{% macro reference_key(column) -%}
    case
        -- of a deleted row nothing but its own key is known
        when not is_deleted then coalesce({{ business_key(column) | indent(8) }}, '{{ var("null_placeholder_string", "^^") }}')
    end
{%- endmacro %}

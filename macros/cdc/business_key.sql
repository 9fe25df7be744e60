{#- The text of a column that goes into hash keys. See _cdc__macros.yml. -#}
{% macro business_key(column) -%}
    case
        when
            {{ column }} <> ''
            and {{ column }} = btrim({{ column }}, ' ')
            and {{ column }} = translate({{ column }}, {{ control_text([29, 30, 31]) }}, '')
            then {{ column }}
        -- Text that AutomateDV would trim, treat as NULL, or split at its separator: hex-encoded, so that it stays as it is.
        when {{ column }} is not null then {{ control_text([29]) }} || {{ hex_of_text(column) }}
    end
{%- endmacro %}


{#- The same for a column that refers to another table, in a staging model: NULL becomes the zero key. -#}
{% macro reference_key(column) -%}
    case
        -- of a deleted row only its own key is known
        when not is_deleted then coalesce({{ business_key(column) | indent(8) }}, '{{ var("null_placeholder_string", "^^") }}')
    end
{%- endmacro %}

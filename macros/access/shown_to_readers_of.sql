{#- A personal value to whoever may read the model that has it, a pseudonym to others. See _access__macros.yml. -#}
{% macro shown_to_readers_of(model_name, value, otherwise) -%}
    {%- set relation = ref(model_name) -%}
    {%- if relation.schema is none -%}
        {#- A dbt unit test: its rows are in no relation that somebody could be let into. -#}
        {{ value }}
    {%- else -%}
        {#- Not as dbt renders it: the function of a moment has another relation in that place. -#}
        case when {{ session_may_read(relation.schema ~ '.' ~ relation.identifier) }} then {{ value }} else {{ otherwise }} end
    {%- endif -%}
{%- endmacro %}

{#- post-hook of the marts: lets in the roles that meta `readers` names, and nobody else that it names anywhere.
    See _access__macros.yml. -#}
{% macro let_readers_in() %}
{%- if execute -%}
    {%- set readers = model.config.get('meta', {}).get('readers', []) -%}
    {%- set others = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- for role in node.config.get('meta', {}).get('readers', []) if role not in readers + others -%}
            {%- do others.append(role) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ let_read(this, as_of_function_name(model), readers, others) }}
{%- endif -%}
{% endmacro %}

{#- pre-hook of the models that load, in their transaction: locks the batch of this invocation, and sets the session
    settings that the text of a hash depends on. See _load_batch__macros.yml. -#}
{% macro hold_load_batch() %}
{%- if load_batch_is_wanted() -%}
    {{ hold_batch() }}
{%- endif -%}
{% endmacro %}

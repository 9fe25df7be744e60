{#- The Kafka topic of a table of the schema `staging`; that of the transactions is of no table of the source. -#}
{% macro cdc_topic(table_name) -%}
    {{ var('topic_prefix') }}.{{ '' if table_name == 'transaction' else 'public.' }}{{ table_name }}
{%- endmacro %}

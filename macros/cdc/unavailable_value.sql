{#- The text that Debezium sends in place of a long (TOASTed) value which an update left alone. Its twin in Python is
    UNAVAILABLE in tests/support/events.py; a unit test compares the two. -#}
{% macro unavailable_value() -%}
    __debezium_unavailable_value
{%- endmacro %}

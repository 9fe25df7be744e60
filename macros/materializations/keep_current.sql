{#- Incremental strategy `keep_current`. See _materializations__macros.yml. -#}
{% macro get_incremental_keep_current_sql(arg_dict) %}
    {{ keep_current(arg_dict['target_relation'], arg_dict['unique_key'], arg_dict['columns'], arg_dict['sql']) }}
{% endmacro %}

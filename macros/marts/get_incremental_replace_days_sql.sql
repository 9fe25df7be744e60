{% macro get_incremental_replace_days_sql(arg_dict) %}
    {#- dbt's own delete+insert deletes only what it has new rows for, so a day whose last flight was
        cancelled or moved away would keep its old rows. Here the model hands over every day it
        computed, a day without traffic as one row with nothing but the day. -#}
    {%- set target, computed = arg_dict['target_relation'], arg_dict['temp_relation'] -%}
    {%- set day = arg_dict['unique_key'] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}

    set local lock_timeout = '{{ var('lock_patience') }}';
    delete from {{ target }}
    where {{ day }} in (select {{ day }} from {{ computed }});

    insert into {{ target }} ({{ columns }})
    select {{ columns }}
    from {{ computed }}
    where airport_code is not null
{% endmacro %}

{#- Incremental strategy `replace_slices`. dbt's own delete+insert deletes only what it has new rows for, so a slice that has
    no rows any more would keep its old ones. Here the model returns every slice that it computed: one without rows as a
    single row whose row key is null. See _materializations__macros.yml. -#}
{% macro get_incremental_replace_slices_sql(arg_dict) %}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {{ replace_slices(
        arg_dict['target_relation'], column_names('unique_key'), column_names('meta.row_key'), columns, arg_dict['temp_relation']
    ) }}
{% endmacro %}


{% macro column_names(option) %}
    {%- set meta = config.get('meta') or {} -%}
    {%- set names = meta.get(option[5:]) if option.startswith('meta.') else config.get(option) -%}
    {%- set names = [names] if names is string else names -%}
    {%- if not names -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " has the incremental strategy replace_slices and no " ~ option ~ ". Set unique_key to the columns "
            ~ "that name a slice, and meta.row_key to the columns that name a row within it."
        ) }}
    {%- endif -%}
    {{ return(names) }}
{% endmacro %}

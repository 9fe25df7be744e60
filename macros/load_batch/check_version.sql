{#- The version of the warehouse's tables that this project works with: the number of the newest file in
    infra/warehouse/migrations. -#}
{% macro warehouse_version() %}
    {{ return(4) }}
{% endmacro %}


{#- Ends a run before it writes into the tables of another version of the product. See _load_batch__macros.yml. -#}
{% macro check_version() %}
    {%- if execute and flags.WHICH in ['run', 'build', 'retry', 'seed', 'snapshot'] -%}
        {%- set made = run_query(
            "select to_regclass('dwh_control.migration') is not null, to_regprocedure('dwh_control.newest_mart_row()') is not null"
        ).rows[0] -%}
        {%- if made[0] -%}
            {%- set version = run_query("select coalesce(max(version), 0) from dwh_control.migration").rows[0][0] | int -%}
            {{ refuse_version(version) }}
        {%- elif made[1] -%}
            {#- `up` has made these schemas, before versions were noted. -#}
            {{ refuse_version(0) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#- Raises an error where a version is not this project's. -#}
{% macro refuse_version(version) %}
    {%- if version < warehouse_version() -%}
        {{ exceptions.raise_compiler_error(
            "The warehouse is of version " ~ version ~ ", and this project works with version " ~ warehouse_version()
            ~ ". Nothing was changed. './airline up' brings it up."
        ) }}
    {%- elif version > warehouse_version() -%}
        {{ exceptions.raise_compiler_error(
            "The warehouse is of version " ~ version ~ ", and this project knows version " ~ warehouse_version()
            ~ ": a newer version of the product was here. Nothing was changed. Use that one."
        ) }}
    {%- endif -%}
{% endmacro %}

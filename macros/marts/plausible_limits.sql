{#- A bound of the variable `plausible`. See _marts__macros.yml. -#}
{% macro plausible(name) -%}
    {%- set limits = var('plausible') -%}
    {%- if name not in limits -%}
        {{ exceptions.raise_compiler_error(
            "The variable plausible has no " ~ name ~ ". Set it in dbt_project.yml, at the top level of `vars:`."
        ) }}
    {%- endif -%}
    {{ return(limits[name]) }}
{%- endmacro %}

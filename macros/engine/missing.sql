{#- Ends a run with the name of what an engine lacks: what each macro of the contract does by default. -#}
{% macro engine_lacks(name) %}
    {{ exceptions.raise_compiler_error(
        "The engine " ~ target.type ~ " has no macro " ~ name ~ ", which this model needs. Write " ~ target.type ~ "__" ~ name
        ~ " in macros/engine/" ~ target.type ~ "; what it must return is in macros/engine/README.md."
    ) }}
{% endmacro %}

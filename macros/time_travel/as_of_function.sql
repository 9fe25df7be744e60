{#- post-hook: time travel for the model just built. See _time_travel__macros.yml.

    Satellites are insert-only, so what was known at a moment is the versions loaded by then. The function's body is
    therefore the model's own SQL over satellites limited to them: there is no second definition of a mart that could
    differ. Relation names are replaced as dbt rendered them, with their quotes, so that no other text matches. -#}
{% macro as_of_function() %}
{%- if execute and has_as_of_function(model) and not is_incremental() -%}
    {%- set body = namespace(sql=sql | replace('current_timestamp', '$1')) -%}
    {%- for id in model.depends_on.nodes -%}
        {%- set input = graph.nodes.get(id) or graph.sources.get(id) -%}
        {%- if input.relation_name not in body.sql -%}
            {#- read by incremental runs only -#}
            {%- set then = input.relation_name -%}
        {%- elif has_as_of_function(input) -%}
            {%- set then = as_of_function_name(input) ~ '($1)' -%}
        {%- elif input.original_file_path.startswith('models/raw_vault/satellites/') -%}
            {%- set then = '(select * from ' ~ input.relation_name ~ ' where load_date <= $1)' -%}
        {%- elif input.resource_type == 'source' and input.source_name == 'staging_pii' -%}
            {#- The book of persons has no history: whoever was forgotten is so at every moment. -#}
            {%- set then = input.relation_name -%}
        {%- elif input.resource_type == 'seed' or input.original_file_path.startswith('models/raw_vault/') -%}
            {#- hubs and links have no versions; status satellites tell whether their rows are valid -#}
            {%- set then = input.relation_name -%}
        {%- else -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ " reads " ~ input.name ~ ", which cannot be asked as of a moment, so neither can "
                ~ model.name ~ ". Read satellites, current_* or other marts instead, or say so in its config: "
                ~ "meta: {as_of: false}."
            ) }}
        {%- endif -%}
        {%- set body.sql = body.sql | replace(input.relation_name, then) -%}
    {%- endfor -%}
    {%- set function = as_of_function_name(model) -%}
    {#- As they stand there: one that was added to a table is the last, wherever the model has it. -#}
    {%- set columns = adapter.get_columns_in_relation(this) | map(attribute='quoted') | join(', ') -%}
    {{ make_function_of_moment(function, columns, body.sql) }}
{%- endif -%}
{% endmacro %}


{% macro has_as_of_function(node) -%}
    {{ return(
        node.resource_type == 'model'
        and (node.config.materialized in ['view', 'table'] or node.config.incremental_strategy == 'keep_current')
        and node.original_file_path.startswith(('models/business_vault/', 'models/marts/'))
        and node.config.get('meta', {}).get('as_of', true)
    ) }}
{%- endmacro %}


{% macro as_of_function_name(node) -%}
    {%- set name = node.alias[8:] if node.alias.startswith('current_') else node.alias -%}
    {{ return(adapter.quote(node.schema) ~ '.' ~ adapter.quote(name ~ '_as_of')) }}
{%- endmacro %}

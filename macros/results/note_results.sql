{#- on-run-end: notes how each model, snapshot, seed and test of the run ended, whoever ran it. See _results__macros.yml. -#}
{% macro note_results(results) %}
{%- if results_are_noted() -%}
    {%- set rows = [] -%}
    {%- for result in results | sort(attribute='node.unique_id') if result.node.resource_type in ['model', 'snapshot', 'seed', 'test', 'unit_test'] -%}
        {%- set about = model_of(result.node) -%}
        {%- do rows.append([
            result.node.unique_id,
            result.node.name,
            result.node.resource_type,
            group_of(result.node),
            about.name if about else result.node.name,
            result.node.schema or '',
            result.status | string | lower
        ]) -%}
    {%- endfor -%}
    {%- if rows -%}
{{ load_batch_role() }}
{{ keep_results(load_batch_relation('node_result'), rows) }}

-- What the project has no more neither fails nor grows old. dbt's graph does not name unit tests: theirs go with the
-- model, and where a build, which runs all of them before the model, ran this one no more.
delete from {{ load_batch_relation('node_result') }} as known
where
    (known.kind <> 'unit_test' and known.node_id not in ({{ quoted(graph.nodes.keys()) }}))
    or (known.kind = 'unit_test' and known.model_name not in ({{ quoted(graph.nodes.values() | map(attribute='name')) }}))
    {%- if flags.WHICH == 'build' %}
    or (
        known.kind = 'unit_test'
        and known.invocation_id <> '{{ invocation_id }}'
        and exists (
            select 1
            from {{ load_batch_relation('node_result') }} as built
            where
                built.kind = 'model'
                and built.node_name = known.model_name
                and built.invocation_id = '{{ invocation_id }}'
                and built.status = 'success'
        )
        -- Airflow builds without unit tests: that none of the model ran says nothing of it.
        and exists (
            select 1
            from {{ load_batch_relation('node_result') }} as tried
            where
                tried.kind = 'unit_test'
                and tried.model_name = known.model_name
                and tried.invocation_id = '{{ invocation_id }}'
        )
    )
    {%- endif %}
    {%- endif -%}
{%- endif -%}
{% endmacro %}


{#- Whether this command builds or tests, and `./airline up` has made the table. `--empty` says nothing of data. -#}
{% macro results_are_noted() %}
    {%- if not execute or flags.WHICH not in ['run', 'build', 'test', 'seed', 'snapshot', 'retry'] or flags.EMPTY -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(adapter.get_relation(target.database, 'dwh_control', 'node_result') is not none) }}
{% endmacro %}


{#- What dbt calls a failure: of a model, a test, a test that could not run. -#}
{% macro failures() -%} ('error', 'fail', 'runtime error', 'partial success') {%- endmacro %}


{#- The model that a test is about; none where it is about several. -#}
{% macro model_of(node) %}
    {%- if node.resource_type not in ['test', 'unit_test'] -%}
        {{ return(none) }}
    {%- endif -%}
    {%- if node.resource_type == 'unit_test' -%}
        {#- One that ran names its model by id; one that could not run, by name. -#}
        {%- if node.tested_node_unique_id -%}
            {{ return(graph.nodes.get(node.tested_node_unique_id)) }}
        {%- endif -%}
        {%- for each in graph.nodes.values() if each.resource_type == 'model' and each.name == node.model -%}
            {{ return(each) }}
        {%- endfor -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set ids = node.depends_on.nodes | select('in', graph.nodes) | list -%}
    {%- if node.attached_node -%}
        {{ return(graph.nodes.get(node.attached_node)) }}
    {%- endif -%}
    {{ return(graph.nodes[ids[0]] if ids | length == 1 else none) }}
{% endmacro %}


{#- The group of models/groups.yml that answers for a node: its own; of a test that of its model, or of the first mart
    that it reads; the platform's else. -#}
{% macro group_of(node) %}
    {%- set groups = [] -%}
    {%- set about = model_of(node) -%}
    {%- for each in ([node, about] if about else [node]) if each.config.group -%}
        {%- do groups.append(each.config.group) -%}
    {%- endfor -%}
    {%- if node.resource_type == 'test' and not about -%}
        {%- for id in node.depends_on.nodes | select('in', graph.nodes) if graph.nodes[id].config.group and graph.nodes[id].config.group != 'data_vault' -%}
            {%- do groups.append(graph.nodes[id].config.group) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(groups[0] if groups else 'data_vault') }}
{% endmacro %}


{#- Names, as a list in SQL. -#}
{% macro quoted(names) -%} '{{ names | join("', '") }}' {%- endmacro %}

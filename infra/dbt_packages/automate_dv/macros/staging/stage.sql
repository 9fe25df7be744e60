{%- macro stage(include_source_columns=true, source_model=none, hashed_columns=none, derived_columns=none,
                null_columns=none, ranked_columns=none) -%}
    {%- do automate_dv.check_call('stage', {'source_model': source_model}, kwargs, varargs) -%}
    {{- adapter.dispatch('stage', 'automate_dv')(
        include_source_columns=include_source_columns,
        source_model=source_model,
        hashed_columns=hashed_columns,
        derived_columns=derived_columns,
        null_columns=null_columns,
        ranked_columns=ranked_columns
    ) -}}
{%- endmacro -%}


{%- macro default__stage() -%}
    {%- do automate_dv.refuse_adapter('stage', kwargs) -%}
{%- endmacro -%}


{#- A chain of CTEs, one a kind of column, each seeing the columns of the one before it. -#}
{%- macro postgres__stage(include_source_columns, source_model, hashed_columns, derived_columns, null_columns,
                          ranked_columns) -%}
    {%- set relation = automate_dv.stage_relation(source_model) -%}
    {%- set source_columns = automate_dv.relation_columns(
        relation, 'stage', include_source_columns or automate_dv.hashes_by_exclusion(hashed_columns)
    ) -%}
    {%- set steps = [
        {'name': 'derived_columns', 'columns': automate_dv.derived_expressions(derived_columns)},
        {'name': 'null_columns', 'columns': automate_dv.null_expressions(null_columns)},
        {'name': 'hashed_columns', 'columns': automate_dv.hashed_expressions(hashed_columns, source_columns)},
        {'name': 'ranked_columns', 'columns': automate_dv.ranked_expressions(ranked_columns)},
    ] | selectattr('columns') | list -%}

with source_data as (
    select * from {{ relation }}
)
    {%- set last = namespace(step='source_data', columns=source_columns) -%}
    {%- for step in steps -%}
        {%- set redefined = step['columns'] | map(attribute='name') | list -%}
        {%- set selected = [] -%}
        {%- for column in last.columns if column['name'] not in redefined -%}
            {%- do selected.append(column['identifier']) -%}
        {%- endfor -%}
        {%- for column in step['columns'] -%}
            {%- do selected.append(column['expression'] ~ ' as ' ~ column['identifier']) -%}
        {%- endfor %},

{{ step['name'] }} as (
    select
        {{ selected | join(',\n        ') }}
    from {{ last.step }}
)
        {%- set last.columns = (last.columns | rejectattr('name', 'in', redefined) | list) + step['columns'] -%}
        {%- set last.step = step['name'] -%}
    {%- endfor %}

    {%- set generated = [] -%}
    {%- for step in steps -%}
        {%- do generated.extend(step['columns'] | map(attribute='name')) -%}
    {%- endfor -%}
    {%- set selected = [] -%}
    {%- for column in last.columns if include_source_columns or column['name'] in generated -%}
        {%- do selected.append(column['identifier']) -%}
    {%- endfor -%}
    {%- if not selected and execute -%}
        {%- do exceptions.raise_compiler_error(
            "automate_dv.stage: nothing to select from " ~ relation ~ ": include_source_columns is false and no"
            ~ " derived, null, hashed or ranked column is given."
        ) -%}
    {%- endif %}

select
    {{ selected | join(',\n    ') }}
from {{ last.step }}
{%- endmacro -%}


{#- A model's name is ref'd; a mapping {source: table} is looked up among the sources. -#}
{%- macro stage_relation(source_model) -%}
    {%- if source_model is mapping -%}
        {%- if source_model | length != 1 and execute -%}
            {%- do exceptions.raise_compiler_error(
                "automate_dv.stage: source_model must be a model's name or one pair source: table, not "
                ~ source_model ~ "."
            ) -%}
        {%- endif -%}
        {%- set pair = source_model.items() | first -%}
        {{- return(source(pair[0], pair[1])) -}}
    {%- endif -%}
    {{- return(ref(source_model) if source_model else '') -}}
{%- endmacro -%}

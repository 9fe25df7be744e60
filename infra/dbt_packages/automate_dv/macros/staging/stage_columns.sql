{#- What each part of a stage's metadata means, as [{name, identifier, expression}] in the order given. -#}

{%- macro stage_column(identifier, expression) -%}
    {{- return({'name': automate_dv.bare_name(identifier), 'identifier': identifier, 'expression': expression}) -}}
{%- endmacro -%}


{#- What must be a mapping: none is an empty one, anything else an error that names it. -#}
{%- macro mapping_of(value, argument) -%}
    {%- if value is mapping -%}
        {{- return(value) -}}
    {%- elif execute and value is defined and value is not none -%}
        {%- do exceptions.raise_compiler_error(
            "automate_dv.stage: " ~ argument ~ " must be a mapping, not " ~ value ~ "."
        ) -%}
    {%- endif -%}
    {{- return({}) -}}
{%- endmacro -%}


{%- macro derived_expressions(derived_columns) -%}
    {%- set columns = [] -%}
    {%- for identifier, value in automate_dv.mapping_of(derived_columns, 'derived_columns').items() -%}
        {%- set escape = false -%}
        {%- if value is mapping -%}
            {%- do automate_dv.check_keys("the derived column '" ~ identifier ~ "'", value, ['source_column', 'escape']) -%}
            {%- set escape = value.get('escape', false) -%}
            {%- set value = value.get('source_column') -%}
        {%- endif -%}
        {%- if execute and (value is none or value == '' or value == []) -%}
            {%- do exceptions.raise_compiler_error(
                "automate_dv.stage: the derived column '" ~ identifier ~ "' names nothing to derive it from."
            ) -%}
        {%- endif -%}
        {%- set parts = [] -%}
        {%- for part in ([value] if value is string or value is not iterable else value) -%}
            {%- if escape and not (part is string and part.startswith('!')) -%}
                {%- do parts.append(adapter.quote(part)) -%}
            {%- else -%}
                {%- do parts.append(automate_dv.expression(part)) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if value is string or value is not iterable -%}
            {%- set expression = parts[0] -%}
        {%- else -%}
            {%- set expression = "concat_ws('||', " ~ (parts | join(', ')) ~ ")" -%}
        {%- endif -%}
        {%- do columns.append(automate_dv.stage_column(identifier, expression)) -%}
    {%- endfor -%}
    {{- return(columns) -}}
{%- endmacro -%}


{%- macro null_expressions(null_columns) -%}
    {%- set columns = [] -%}
    {%- set wanted = {} -%}
    {%- for kind, names in automate_dv.mapping_of(null_columns, 'null_columns').items() -%}
        {%- do wanted.update({kind | lower: wanted.get(kind | lower, []) + [names]}) -%}
    {%- endfor -%}
    {%- do automate_dv.check_keys('null_columns', wanted, ['required', 'optional']) -%}
    {%- for kind, default in [('required', '-1'), ('optional', '-2')] -%}
        {%- set instead = automate_dv.literal(var('null_key_' ~ kind, default)) -%}
        {%- for column in automate_dv.column_names(wanted.get(kind), 'null_columns.' ~ kind) -%}
            {%- set original = column ~ '_ORIGINAL' if column[-1] != '"' else column[:-1] ~ '_ORIGINAL"' -%}
            {%- do columns.append(automate_dv.stage_column(original, column)) -%}
            {%- do columns.append(automate_dv.stage_column(column, 'coalesce(' ~ column ~ ', ' ~ instead ~ ')')) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(columns) -}}
{%- endmacro -%}


{%- macro hashes_by_exclusion(hashed_columns) -%}
    {%- for value in automate_dv.mapping_of(hashed_columns, 'hashed_columns').values() -%}
        {%- if value is mapping and value.get('exclude_columns') -%}
            {{- return(true) -}}
        {%- endif -%}
    {%- endfor -%}
    {{- return(false) -}}
{%- endmacro -%}


{%- macro hashed_expressions(hashed_columns, source_columns) -%}
    {%- set columns = [] -%}
    {%- for identifier, value in automate_dv.mapping_of(hashed_columns, 'hashed_columns').items() -%}
        {%- set definition = value if value is mapping else {'columns': value} -%}
        {%- do automate_dv.check_keys(
            "the hashed column '" ~ identifier ~ "'", definition, ['is_hashdiff', 'columns', 'exclude_columns']
        ) -%}
        {%- set given = definition.get('columns') -%}
        {%- if definition.get('exclude_columns') -%}
            {%- set expression = automate_dv.hash_of_differences(
                automate_dv.columns_left(identifier, source_columns, automate_dv.column_names(given, identifier))
            ) -%}
        {%- elif given is none or given == [] or given == '' -%}
            {%- set expression = 'null' -%}
            {%- if execute -%}
                {%- do exceptions.raise_compiler_error(
                    "automate_dv.stage: the hashed column '" ~ identifier ~ "' names no columns to hash."
                ) -%}
            {%- endif -%}
        {%- else -%}
            {%- set expression = automate_dv.hash_of(given, definition.get('is_hashdiff'), identifier) -%}
        {%- endif -%}
        {%- do columns.append(automate_dv.stage_column(identifier, expression)) -%}
    {%- endfor -%}
    {{- return(columns) -}}
{%- endmacro -%}


{#- The source's columns but the excluded ones, sorted by name ignoring case, as SQL identifiers. -#}
{%- macro columns_left(identifier, source_columns, excluded) -%}
    {%- set without = [] -%}
    {%- for column in excluded -%}{%- do without.append(automate_dv.bare_name(column)) -%}{%- endfor -%}
    {%- set left = source_columns | rejectattr('name', 'in', without) | sort(attribute='name') -%}
    {%- if left | map(attribute='name') | list == ['*'] -%}
        {#- Parsing, or compiling before the source exists: any column will do, it is never run. -#}
        {{- return(['null']) -}}
    {%- endif -%}
    {%- if not left and execute -%}
        {%- do exceptions.raise_compiler_error(
            "automate_dv.stage: the hashed column '" ~ identifier ~ "' excludes every column of its source."
        ) -%}
    {%- endif -%}
    {{- return(left | map(attribute='identifier') | list) -}}
{%- endmacro -%}


{%- macro ranked_expressions(ranked_columns) -%}
    {%- set columns = [] -%}
    {%- for identifier, given in automate_dv.mapping_of(ranked_columns, 'ranked_columns').items() -%}
        {%- set definition = automate_dv.mapping_of(given, "the ranked column '" ~ identifier ~ "'") -%}
        {%- do automate_dv.check_keys(
            "the ranked column '" ~ identifier ~ "'", definition, ['partition_by', 'order_by', 'dense_rank']
        ) -%}
        {%- set partition_by = automate_dv.column_names(definition.get('partition_by'), identifier) -%}
        {%- set given = definition.get('order_by') -%}
        {%- set order_by = [] -%}
        {%- for part in ([given] if given is string or given is mapping or given is none else given) -%}
            {%- if part is mapping -%}
                {%- for column, direction in part.items() -%}
                    {%- do order_by.append((column ~ ' ' ~ (direction or '')) | trim) -%}
                {%- endfor -%}
            {%- elif part -%}
                {%- do order_by.append(part) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if execute and not (partition_by and order_by) -%}
            {%- do exceptions.raise_compiler_error(
                "automate_dv.stage: the ranked column '" ~ identifier ~ "' needs both partition_by and order_by."
            ) -%}
        {%- endif -%}
        {%- set function = 'dense_rank' if definition.get('dense_rank') else 'rank' -%}
        {%- do columns.append(automate_dv.stage_column(
            identifier,
            function ~ '() over (partition by ' ~ (partition_by | join(', ')) ~ ' order by ' ~ (order_by | join(', ')) ~ ')'
        )) -%}
    {%- endfor -%}
    {{- return(columns) -}}
{%- endmacro -%}

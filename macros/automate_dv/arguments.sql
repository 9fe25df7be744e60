{#- A flat list of column names from arguments that are a name, a list of names, or none. -#}
{% macro automate_dv_columns(arguments) %}
    {%- set columns = [] -%}
    {%- for argument in arguments if argument -%}
        {%- if argument is string -%}
            {%- do columns.append(argument) -%}
        {%- else -%}
            {%- do columns.extend(argument) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}


{#- An argument that must be a single column name. -#}
{% macro one_column(value, argument) %}
    {%- set names = automate_dv_columns([value]) -%}
    {%- if execute and (names | length > 1 or value is mapping) -%}
        {{ exceptions.raise_compiler_error(
            argument ~ " of a satellite must be one name, not " ~ value ~ "."
            ~ (" Make one hash key of these columns in the stage (hashed_columns)." if argument == 'src_pk' else "")
        ) }}
    {%- endif -%}
    {{ return(names[0] if names else none) }}
{% endmacro %}


{#- The payload's columns: those named, or with {exclude_columns: true, columns: [...]} all columns of the stage except
    these and those of the other arguments. -#}
{% macro automate_dv_payload(src_payload, source_relation, named) %}
    {%- if src_payload is not mapping -%}
        {{ return(automate_dv_columns([src_payload])) }}
    {%- endif -%}
    {%- for key in src_payload if execute and key not in ['exclude_columns', 'columns'] -%}
        {{ exceptions.raise_compiler_error("src_payload of a satellite takes exclude_columns and columns, not '" ~ key ~ "'.") }}
    {%- endfor -%}
    {%- set given = automate_dv_columns([src_payload.get('columns')]) -%}
    {%- if not src_payload.get('exclude_columns') -%}
        {{ return(given) }}
    {%- endif -%}
    {%- set without = (given + named) | map('lower') | list -%}
    {%- set names = [] -%}
    {%- set columns = adapter.get_columns_in_relation(source_relation) if execute else [] -%}
    {%- for column in columns if column.name | lower not in without -%}
        {%- do names.append(adapter.quote(column.name)) -%}
    {%- endfor -%}
    {%- if execute and not names and flags.WHICH in ['run', 'build', 'retry'] -%}
        {{ exceptions.raise_compiler_error(
            "src_payload leaves no column of " ~ source_relation ~ " for the satellite"
            ~ ("." if columns else ": there is no such table yet, build the stage first.")
        ) }}
    {%- endif -%}
    {{ return(names) }}
{% endmacro %}

{#- Checks of what a caller passed. They speak only at execution: while dbt parses, an argument that the caller
    computes with a query is not there yet. -#}

{%- macro refuse(what) -%}
    {%- if execute -%}
        {%- do exceptions.raise_compiler_error(
            what ~ " is not supported by this project's stand-in for AutomateDV. Use AutomateDV itself: "
            ~ "run `dbt deps` where the dbt package hub is in reach (see the stand-in's README.md)."
        ) -%}
    {%- endif -%}
{%- endmacro -%}


{#- `arguments` is not looked at: a macro that mentions its kwargs accepts any. -#}
{%- macro refuse_adapter(macro_name, arguments) -%}
    {%- do automate_dv.refuse("automate_dv." ~ macro_name ~ " on adapter '" ~ adapter.type() ~ "' (only postgres is)") -%}
{%- endmacro -%}


{#- required: argument name -> value. unknown: keywords the macro has no parameter for. surplus: positional ones. -#}
{%- macro check_call(macro_name, required, unknown, surplus) -%}
    {%- if execute -%}
        {%- for name in unknown -%}
            {%- do automate_dv.refuse("The argument '" ~ name ~ "' of automate_dv." ~ macro_name) -%}
        {%- endfor -%}
        {%- if surplus -%}
            {%- do exceptions.raise_compiler_error(
                "automate_dv." ~ macro_name ~ " got " ~ (surplus | length)
                ~ " positional argument(s) too many: pass every argument by keyword."
            ) -%}
        {%- endif -%}
        {%- set missing = [] -%}
        {%- for name, value in required.items() -%}
            {%- if value is not defined or value is none or value == '' or value == [] or value == {} -%}
                {%- do missing.append(name) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if missing -%}
            {%- do exceptions.raise_compiler_error(
                "automate_dv." ~ macro_name ~ ": required argument(s) missing or empty: " ~ (missing | join(', '))
                ~ ". Pass them by keyword."
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}


{%- macro check_keys(where, mapping, known) -%}
    {%- for key in mapping if key not in known -%}
        {%- do automate_dv.refuse("The key '" ~ key ~ "' of " ~ where) -%}
    {%- endfor -%}
{%- endmacro -%}


{#- A column argument (none, one name or a list of names, lists in it flattened) as a list of names. -#}
{%- macro column_names(value, argument) -%}
    {%- set names = [] -%}
    {%- if value is not defined or value is none or value == '' -%}
    {%- elif value is string -%}
        {%- do names.append(value) -%}
    {%- elif value is mapping -%}
        {%- do automate_dv.refuse("A mapping as '" ~ argument ~ "' (" ~ value ~ ")") -%}
    {%- elif value is iterable -%}
        {%- for part in value -%}
            {%- do names.extend(automate_dv.column_names(part, argument)) -%}
        {%- endfor -%}
    {%- else -%}
        {%- do names.append(value | string) -%}
    {%- endif -%}
    {{- return(names) -}}
{%- endmacro -%}


{#- src_hashdiff: a column's name, or {source_column, alias} to rename it. `selected` is how the batch selects it. -#}
{%- macro hashdiff_column(value) -%}
    {%- if value is mapping -%}
        {%- do automate_dv.check_keys("'src_hashdiff'", value, ['source_column', 'alias']) -%}
        {%- set source_column = value.get('source_column') -%}
        {%- if not source_column and execute -%}
            {%- do exceptions.raise_compiler_error("automate_dv: src_hashdiff " ~ value ~ " lacks 'source_column'.") -%}
        {%- endif -%}
        {%- set name = value.get('alias') or source_column -%}
        {{- return({'name': name, 'source': source_column, 'selected': source_column ~ ' as ' ~ name}) -}}
    {%- endif -%}
    {%- set names = automate_dv.column_names(value, 'src_hashdiff') -%}
    {%- if names | length != 1 and execute -%}
        {%- do exceptions.raise_compiler_error("automate_dv: src_hashdiff must be one column, not " ~ value ~ ".") -%}
    {%- endif -%}
    {%- set name = names[0] -%}
    {{- return({'name': name, 'source': name, 'selected': name}) -}}
{%- endmacro -%}


{#- The relation of a source_model that must be one model (hub and link alone take several). -#}
{%- macro only_source_model(source_model, macro_name) -%}
    {%- set models = automate_dv.column_names(source_model, 'source_model of automate_dv.' ~ macro_name) -%}
    {%- if models | length > 1 -%}
        {%- do automate_dv.refuse("A list of several models as source_model of automate_dv." ~ macro_name) -%}
    {%- endif -%}
    {{- return(ref(models[0]) if models else '') -}}
{%- endmacro -%}

{#- `<hash of columns> as <alias>`: what stage makes of a hashed column, for models that select by themselves. -#}
{%- macro hash(columns=none, alias=none, is_hashdiff=false) -%}
    {%- do automate_dv.check_call('hash', {'columns': columns, 'alias': alias}, kwargs, varargs) -%}
    {{- adapter.dispatch('hash', 'automate_dv')(columns=columns, alias=alias, is_hashdiff=is_hashdiff) -}}
{%- endmacro -%}


{%- macro default__hash() -%}
    {%- do automate_dv.refuse_adapter('hash', kwargs) -%}
{%- endmacro -%}


{%- macro postgres__hash(columns, alias, is_hashdiff) -%}
    {{- automate_dv.hash_of(columns, is_hashdiff, alias) ~ ' as ' ~ alias -}}
{%- endmacro -%}


{#- One column given as a string is hashed as it is, a list as a key or, sorted by name, as a hashdiff. -#}
{%- macro hash_of(columns, is_hashdiff, identifier) -%}
    {%- if columns is string or columns is not iterable -%}
        {{- return(automate_dv.hash_of_one(columns)) -}}
    {%- endif -%}
    {%- set names = automate_dv.column_names(columns, identifier) -%}
    {%- if is_hashdiff -%}
        {{- return(automate_dv.hash_of_differences(names | sort)) -}}
    {%- endif -%}
    {{- return(automate_dv.hash_of_key(names)) -}}
{%- endmacro -%}


{#- S(x): the text of a value as it is hashed; blank is NULL. -#}
{%- macro hashed_text(value) -%}
    {%- set text = 'trim(cast(' ~ automate_dv.expression(value) ~ ' as varchar))' -%}
    {%- if automate_dv.hash_upper_cases() -%}
        {%- set text = 'upper(' ~ text ~ ')' -%}
    {%- endif -%}
    {{- return("nullif(" ~ text ~ ", '')") -}}
{%- endmacro -%}


{#- H(t): bytea; NULL of NULL. By way of UTF-8 bytes, since a cast of text to bytea stumbles over backslashes. -#}
{%- macro digest(text) -%}
    {%- if automate_dv.hash_algorithm() == 'SHA' -%}
        {{- return("sha256(convert_to(" ~ text ~ ", 'UTF8'))") -}}
    {%- endif -%}
    {{- return("decode(md5(" ~ text ~ "), 'hex')") -}}
{%- endmacro -%}


{#- The parts N(x) joined by the separator: an array, since CONCAT_WS takes 100 arguments at most. -#}
{%- macro joined_parts(columns) -%}
    {%- set placeholder = automate_dv.literal(var('null_placeholder_string', '^^')) -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}
        {%- do parts.append('coalesce(' ~ automate_dv.hashed_text(column) ~ ', ' ~ placeholder ~ ')') -%}
    {%- endfor -%}
    {%- if parts | length == 1 -%}
        {{- return(parts[0]) -}}
    {%- endif -%}
    {%- set separator = automate_dv.literal(var('concat_string', '||')) -%}
    {{- return('array_to_string(array[' ~ (parts | join(', ')) ~ '], ' ~ separator ~ ')') -}}
{%- endmacro -%}


{%- macro hash_of_one(value) -%}
    {{- return(automate_dv.digest(automate_dv.hashed_text(value))) -}}
{%- endmacro -%}


{#- A key of several columns is NULL when all of them are. It is recognised by its text, so a literal placeholder
    counts as NULL, as it does in AutomateDV. -#}
{%- macro hash_of_key(columns) -%}
    {%- set placeholder = var('null_placeholder_string', '^^') | string -%}
    {%- set separator = var('concat_string', '||') | string -%}
    {%- set all_null = ([placeholder] * (columns | length)) | join(separator) -%}
    {{- return(automate_dv.digest(
        'nullif(' ~ automate_dv.joined_parts(columns) ~ ', ' ~ automate_dv.literal(all_null) ~ ')'
    )) -}}
{%- endmacro -%}


{#- Never NULL. The order of `columns` is the caller's: names are sorted before they are turned into SQL. -#}
{%- macro hash_of_differences(columns) -%}
    {{- return(automate_dv.digest(automate_dv.joined_parts(columns))) -}}
{%- endmacro -%}

{#- What the package's variables mean. They are read with var(), which gives a macro the variables of the *model's*
    project: those under `vars: automate_dv:` are not seen here, as they are not in AutomateDV. -#}

{#- 'MD5' or 'SHA' (SHA-256). -#}
{%- macro hash_algorithm() -%}
    {%- set wanted = var('hash', 'MD5') | string -%}
    {%- if wanted | upper in ['MD5', 'SHA'] -%}
        {{- return(wanted | upper) -}}
    {%- endif -%}
    {%- if execute -%}
        {%- do exceptions.warn("automate_dv: var 'hash' is '" ~ wanted ~ "', neither MD5 nor SHA: MD5 is used.") -%}
    {%- endif -%}
    {{- return('MD5') -}}
{%- endmacro -%}


{#- True when hashed text is upper-cased. -#}
{%- macro hash_upper_cases() -%}
    {%- set casing = var('hash_content_casing', 'UPPER') | string -%}
    {%- if casing not in ['UPPER', 'DISABLED'] and execute -%}
        {%- do exceptions.raise_compiler_error(
            "automate_dv: var 'hash_content_casing' is '" ~ casing ~ "': set it to UPPER or DISABLED."
        ) -%}
    {%- endif -%}
    {{- return(casing != 'DISABLED') -}}
{%- endmacro -%}


{#- A switch of the model's config, at its top level or under `meta`. -#}
{%- macro model_switch(name) -%}
    {%- set meta = config.get('meta') or {} -%}
    {{- return(config.get(name) or meta.get(name) or false) -}}
{%- endmacro -%}

{#- Public parts of AutomateDV that this project does not use: named, so that a call says what to do. `arguments` of
    refuse_macro is not looked at: a macro that mentions its kwargs accepts any. -#}

{%- macro refuse_macro(macro_name, arguments, positional) -%}
    {%- do automate_dv.refuse('automate_dv.' ~ macro_name) -%}
{%- endmacro -%}

{%- macro nh_link() -%}{%- do automate_dv.refuse_macro("nh_link", kwargs, varargs) -%}{%- endmacro -%}
{%- macro ma_sat() -%}{%- do automate_dv.refuse_macro("ma_sat", kwargs, varargs) -%}{%- endmacro -%}
{%- macro eff_sat() -%}{%- do automate_dv.refuse_macro("eff_sat", kwargs, varargs) -%}{%- endmacro -%}
{%- macro t_link() -%}{%- do automate_dv.refuse_macro("t_link", kwargs, varargs) -%}{%- endmacro -%}
{%- macro xts() -%}{%- do automate_dv.refuse_macro("xts", kwargs, varargs) -%}{%- endmacro -%}
{%- macro pit() -%}{%- do automate_dv.refuse_macro("pit", kwargs, varargs) -%}{%- endmacro -%}
{%- macro bridge() -%}{%- do automate_dv.refuse_macro("bridge", kwargs, varargs) -%}{%- endmacro -%}
{%- macro ref_table() -%}{%- do automate_dv.refuse_macro("ref_table", kwargs, varargs) -%}{%- endmacro -%}
{%- macro hash_columns() -%}{%- do automate_dv.refuse_macro("hash_columns", kwargs, varargs) -%}{%- endmacro -%}
{%- macro derive_columns() -%}{%- do automate_dv.refuse_macro("derive_columns", kwargs, varargs) -%}{%- endmacro -%}
{%- macro rank_columns() -%}{%- do automate_dv.refuse_macro("rank_columns", kwargs, varargs) -%}{%- endmacro -%}
{%- macro prefix() -%}{%- do automate_dv.refuse_macro("prefix", kwargs, varargs) -%}{%- endmacro -%}
{%- macro expand_column_list() -%}{%- do automate_dv.refuse_macro("expand_column_list", kwargs, varargs) -%}{%- endmacro -%}
{%- macro concat_ws() -%}{%- do automate_dv.refuse_macro("concat_ws", kwargs, varargs) -%}{%- endmacro -%}
{%- macro multikey() -%}{%- do automate_dv.refuse_macro("multikey", kwargs, varargs) -%}{%- endmacro -%}

{%- materialization vault_insert_by_period, default -%}
    {%- do automate_dv.refuse("The materialization 'vault_insert_by_period'") -%}
{%- endmaterialization -%}

{%- materialization vault_insert_by_rank, default -%}
    {%- do automate_dv.refuse("The materialization 'vault_insert_by_rank'") -%}
{%- endmaterialization -%}

{%- materialization pit_incremental, default -%}
    {%- do automate_dv.refuse("The materialization 'pit_incremental'") -%}
{%- endmaterialization -%}

{%- materialization bridge_incremental, default -%}
    {%- do automate_dv.refuse("The materialization 'bridge_incremental'") -%}
{%- endmaterialization -%}

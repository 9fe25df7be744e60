{#- What hub and link have in common: of every key the first row seen, if the target lacks the key.

    All arguments but the last and macro_name are lists of column names; source_model is a model's name or a list of them. -#}
{%- macro first_seen_keys(macro_name, key, not_null, attributes, extra, load_date, record_source, source_model) -%}
    {%- set columns = key + attributes + extra + load_date + record_source -%}
    {%- set models = automate_dv.column_names(source_model, 'source_model of automate_dv.' ~ macro_name) -%}
    {#- After load date and source, the rest decides, so that the same rows give the same table. Extra columns go as
        text because not every type can be sorted. -#}
    {%- set order = key + load_date + record_source + attributes -%}
    {%- for column in extra -%}{%- do order.append('cast(' ~ column ~ ' as text)') -%}{%- endfor -%}

with batch as (
    {%- for model_name in models %}
    {%- if not loop.first %}
    union all
    {%- endif %}
    select {{ columns | join(', ') }}
    from {{ ref(model_name) }}
    where {{ automate_dv.all_not_null(not_null) }}
    {%- endfor %}
),

first_seen as (
    select distinct on ({{ key | join(', ') }}) {{ columns | join(', ') }}
    from batch
    order by {{ order | join(', ') }}
)

select {{ automate_dv.columns_of('first_seen', columns) }}
from first_seen
    {%- if is_incremental() %}
        {{- automate_dv.where_target_lacks(this, 'first_seen', key) }}
    {%- endif %}
{% endmacro -%}

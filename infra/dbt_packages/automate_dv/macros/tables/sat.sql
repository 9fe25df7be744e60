{%- macro sat(src_pk=none, src_hashdiff=none, src_payload=none, src_extra_columns=none, src_eff=none, src_ldts=none,
              src_source=none, source_model=none) -%}
    {%- do automate_dv.check_call('sat', {
        'src_pk': src_pk, 'src_hashdiff': src_hashdiff, 'src_payload': src_payload, 'src_ldts': src_ldts,
        'src_source': src_source, 'source_model': source_model
    }, kwargs, varargs) -%}
    {{- adapter.dispatch('sat', 'automate_dv')(
        src_pk=src_pk,
        src_hashdiff=src_hashdiff,
        src_payload=src_payload,
        src_extra_columns=src_extra_columns,
        src_eff=src_eff,
        src_ldts=src_ldts,
        src_source=src_source,
        source_model=source_model
    ) -}}
{%- endmacro -%}


{%- macro default__sat() -%}
    {%- do automate_dv.refuse_adapter('sat', kwargs) -%}
{%- endmacro -%}


{#- A row is a version when its hashdiff differs from the row before it: the one before in the batch, or for a key's
    first the newest in the target. -#}
{%- macro postgres__sat(src_pk, src_hashdiff, src_payload, src_extra_columns, src_eff, src_ldts, src_source,
                        source_model) -%}
    {%- set key = automate_dv.column_names(src_pk, 'src_pk') -%}
    {%- set hashdiff = automate_dv.hashdiff_column(src_hashdiff) -%}
    {%- set extra = automate_dv.column_names(src_extra_columns, 'src_extra_columns') -%}
    {%- set effective_from = automate_dv.column_names(src_eff, 'src_eff') -%}
    {%- set load_date = automate_dv.column_names(src_ldts, 'src_ldts') -%}
    {%- set record_source = automate_dv.column_names(src_source, 'src_source') -%}
    {%- set relation = automate_dv.only_source_model(source_model, 'sat') -%}
    {%- set payload = automate_dv.payload_columns(
        src_payload,
        relation,
        key + [hashdiff['source'], hashdiff['name']] + extra + effective_from + load_date + record_source
    ) + extra -%}
    {%- set columns = key + [hashdiff['name']] + payload + effective_from + load_date + record_source -%}
    {#- The hashdiff comes last so that changes that share a load date come in the same order every time. -#}
    {%- set age = load_date + effective_from + [hashdiff['name']] -%}
    {%- set incremental = is_incremental() -%}

with batch as (
    select {{ (key + [hashdiff['selected']] + payload + effective_from + load_date + record_source) | join(', ') }}
    from {{ relation }}
    where {{ automate_dv.all_not_null(key + [hashdiff['source']]) }}
),
    {%- if incremental %}

newest_version as (
    {{- automate_dv.newest_of_target(this, 'batch', key, age, key + [hashdiff['name']] + load_date) }}
),
    {%- endif %}

compared as (
    select
        {{ automate_dv.columns_of('batch', columns) }},
        lag(
            batch.{{ hashdiff['name'] }}{% if incremental %}, 1, newest_version.{{ hashdiff['name'] }}{% endif %}
        ) over (
            partition by {{ automate_dv.columns_of('batch', key) }}
            order by {{ automate_dv.columns_of('batch', age) }}
        ) as _dv_hashdiff_before
    from batch
    {%- if incremental %}
    left join newest_version on {{ automate_dv.same_key('newest_version', 'batch', key) }}
        {%- if automate_dv.model_switch('apply_source_filter') %}
    where newest_version.{{ load_date[0] }} is null or batch.{{ load_date[0] }} > newest_version.{{ load_date[0] }}
        {%- endif %}
    {%- endif %}
)

select {{ columns | join(', ') }}
from compared
where {{ hashdiff['name'] }} is distinct from _dv_hashdiff_before
    {%- if var('enable_ghost_records', false) %}

union all
{{ automate_dv.ghost_record(key, hashdiff['name'], payload, effective_from + load_date, incremental) }}
    {%- endif %}
{% endmacro -%}


{#- src_payload: columns, or {exclude_columns: true, columns: [...]} for all columns of the stage but these and the ones
    that the other arguments name. -#}
{%- macro payload_columns(src_payload, relation, named) -%}
    {%- if src_payload is not mapping -%}
        {{- return(automate_dv.column_names(src_payload, 'src_payload')) -}}
    {%- endif -%}
    {%- do automate_dv.check_keys("'src_payload'", src_payload, ['exclude_columns', 'columns']) -%}
    {%- set given = automate_dv.column_names(src_payload.get('columns'), 'src_payload') -%}
    {%- if not src_payload.get('exclude_columns') -%}
        {%- if execute and not given -%}
            {%- do exceptions.raise_compiler_error("automate_dv.sat: src_payload " ~ src_payload ~ " names no columns.") -%}
        {%- endif -%}
        {{- return(given) -}}
    {%- endif -%}
    {%- set without = [] -%}
    {%- for column in given + named -%}{%- do without.append(automate_dv.bare_name(column)) -%}{%- endfor -%}
    {%- set columns = automate_dv.relation_columns(relation, 'sat', true) -%}
    {%- set left = columns | rejectattr('name', 'in', without + ['*']) | map(attribute='identifier') | list -%}
    {%- if not left and (columns | map(attribute='name') | list != ['*']) -%}
        {%- do exceptions.raise_compiler_error("automate_dv.sat: src_payload excludes every column of " ~ relation ~ ".") -%}
    {%- endif -%}
    {{- return(left) -}}
{%- endmacro -%}


{#- One row that stands for "no version", for joins that must find one. Its untyped literals take the types of the
    rows above the union. -#}
{%- macro ghost_record(key, hashdiff, payload, dates, incremental) -%}
    {%- set length = 64 if automate_dv.hash_algorithm() == 'SHA' else 32 -%}
    {%- set zeros = "convert_to(repeat('0', " ~ length ~ "), 'UTF8')" -%}
    {%- set values = [] -%}
    {%- for column in key + [hashdiff] -%}{%- do values.append(zeros) -%}{%- endfor -%}
    {%- for column in payload -%}{%- do values.append('null') -%}{%- endfor -%}
    {%- for column in dates -%}{%- do values.append("'1900-01-01'") -%}{%- endfor -%}
    {%- do values.append(automate_dv.literal(var('system_record_value', 'AUTOMATE_DV_SYSTEM'))) -%}
select {{ values | join(', ') }}
    {%- if incremental %}
where not exists (select 1 from {{ this }} as target where target.{{ key[0] }} = {{ zeros }})
    {%- endif %}
{%- endmacro -%}

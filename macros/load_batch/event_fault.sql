{#- Why a landed event of a source table cannot be loaded, as an array of (column, reason); null where it can be. See
    _load_batch__macros.yml. The reason contains no value of the event, because it is logged. -#}
{% macro event_fault(table_name, event) %}
{%- set meta = load_batch_source(table_name).meta -%}
{%- set source_of = event ~ ".source" -%}
{%- set transaction = event ~ ".transaction" -%}
{%- set key = "array['" ~ meta.primary_key | join("', '") ~ "']" -%}
case
    when jsonb_typeof({{ event }}.value) <> 'object'
        then array['', 'is no change event but a JSON ' || jsonb_typeof({{ event }}.value)]
    when coalesce({{ event }}.op not in ('c', 'r', 'u', 'd', 't'), true)
        then array['op', 'is none of c, r, u, d, t']
    when jsonb_typeof({{ source_of }}) is distinct from 'object'
        then array['source', 'is no JSON object']
    when not coalesce(pg_input_is_valid({{ source_of }} ->> 'ts_us', 'bigint'), false)
        then array['source.ts_us', 'is no number of microseconds']
    -- 1970 to 9999
    when ({{ source_of }} ->> 'ts_us')::bigint not between 0 and 253402300799999999
        then array['source.ts_us', 'is no commit time']
    -- load dates never go back: all later ones would be later still
    when timestamptz 'epoch' + ({{ source_of }} ->> 'ts_us')::bigint / 1000000 * interval '1 second'
        > {{ event }}.landed_at + interval '1 day'
        then array['source.ts_us', 'is over a day ahead of the clock of the warehouse: set the clock of the source right, then ./airline resync {{ table_name }}']
    when not pg_input_is_valid({{ source_of }} ->> 'lsn', 'bigint')
        then array['source.lsn', 'is no position in the log of the source']
    when not pg_input_is_valid({{ source_of }} ->> 'txId', 'bigint')
        then array['source.txId', 'is no number of a transaction']
    when coalesce(jsonb_typeof({{ transaction }}), 'null') <> 'null'
        and not (
            {{ source_of }} ->> 'lsn' is not null
            and {{ has_place(source_of, transaction) | indent(12) }}
        )
        then array['transaction', 'is no place in the transaction of the event']
    when {{ event }}.op in ('c', 'r', 'u', 'd') and jsonb_typeof({{ event }}.image) is distinct from 'object'
        then array[case {{ event }}.op when 'd' then 'before' else 'after' end, 'is no JSON object']
    -- with a part of the key only, a row would be taken for another
    when {{ event }}.op <> 't' and {{ event }}.key ?| {{ key }}
        and ({{ event }}.key - {{ key }} <> '{}' or not {{ event }}.key ?& {{ key }})
        then array['key', 'is of another primary key than ({{ meta.primary_key | join(', ') }}): make that the key again at the source']
    when {{ event }}.op in ('c', 'r', 'u') then
        coalesce(
            {%- for column, type in meta.columns.items() %}
            {{ column_fault(table_name, column, type, event) | indent(12) }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
    -- of a deleted row only the primary key is read
    when {{ event }}.op = 'd' then
        coalesce(
            {%- for column in meta.primary_key %}
            {{ column_fault(table_name, column, meta.columns[column], event) | indent(12) }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
end
{%- endmacro %}


{#- What is wrong with a column of the event's row, or null. It names only the column, the expected type and the error
    code. -#}
{% macro column_fault(table_name, column, type, event) %}
{%- set meta = load_batch_source(table_name).meta -%}
{%- set kinds = {
    'text': ['string'], 'timestamptz': ['string'], 'jsonb': ['string'], 'boolean': ['boolean'],
    'uuid': ['string'], 'inet': ['string'], 'cidr': ['string'], 'macaddr': ['string'],
    'date': ['number'], 'timestamp': ['number'], 'timestamp(3)': ['number'], 'time': ['number'], 'time(3)': ['number']
}.get(type, ['number', 'string']) -%}
{%- if column not in meta.primary_key %}{% set kinds = kinds + ['null'] %}{% endif -%}
{%- if column in dropped_columns(table_name) or column in added_columns(table_name) or column in (meta.returned_columns or {}) %}{% set kinds = kinds + ['missing'] %}{% endif -%}
{%- set value = event ~ ".image ->> '" ~ column ~ "'" -%}
{%- set text = column_text(value, type) -%}
case
    when coalesce(jsonb_typeof({{ event }}.image -> '{{ column }}'), 'missing') not in ('{{ kinds | join("', '") }}')
        then array['{{ column }}', case coalesce(jsonb_typeof({{ event }}.image -> '{{ column }}'), 'missing')
            when 'missing' then 'is missing: put it back at the source, or name it in the variable dropped_columns of dbt_project.yml'
            when 'null' then 'is null, and a part of the primary key'
            else 'is a JSON ' || jsonb_typeof({{ event }}.image -> '{{ column }}') || ', which is not how {{ type }} comes'
        end]
    {%- if type == 'text' and column not in (meta.long_columns or {}) %}
    -- No satellite keeps the previous value of this column by itself, so it cannot be put back.
    when {{ value }} = '{{ unavailable_value() }}'
        then array['{{ column }}', 'did not change and is too long to come along: ./airline resync {{ table_name }} reads it']
    {%- endif %}
    {%- if type != 'text' %}
    when {{ value }} is null then null
    {%- if type == 'jsonb' %}
    {%- if column in (meta.long_columns or {}) %}
    when {{ value }} = '{{ unavailable_value() }}' then null
    {%- endif %}
    when not case
            -- deep nesting raises an error that pg_input_is_valid does not catch
            when length({{ value }}) > 2000 then {{ load_batch_relation('is_json') }}({{ value }})
            else pg_input_is_valid({{ value }}, 'jsonb')
        end
        then array['{{ column }}', 'cannot be read as jsonb']
    {%- else %}
    {%- if type == 'timestamptz' %}
    -- Nearly all values have this form; the check costs a tenth of the regular expression.
    when
        {{ value }} like any (array['1___-__-__T__:__:__.______Z', '2___-__-__T__:__:__.______Z'])
        and translate({{ value }}, '0123456789', '') = '--T::.Z'
        and pg_input_is_valid({{ value }}, 'timestamptz')
        then null
    -- PostgreSQL accepts words such as 'now' as timestamps; Debezium never writes them
    when {{ value }} !~ '{{ event_timestamp_pattern() }}'
        then array['{{ column }}', 'is not how timestamptz comes: the column has another type at the source, or had one']
    {%- elif type in event_units() %}
    {%- set unit = event_units()[type] %}
    when not pg_input_is_valid({{ value }}, 'bigint')
        then array['{{ column }}', 'is not how {{ type }} comes: no whole number']
    when ({{ value }})::bigint not between {{ unit.least }} and {{ unit.most }}
        then array['{{ column }}', 'is no {{ type }} that can be kept: infinite, or of another type at the source']
    {%- elif '(' in type and type.startswith('numeric') %}
    {%- set precision, scale = type[8:-1].split(',') | map('trim') | map('int') %}
    -- Nearly all values have this form: exactly `scale` digits after the point, and not too many before it.
    when
        translate({{ value }}, '0123456789', '') = '.'
        and length({{ value }}) between {{ scale + 2 }} and {{ precision + 1 }}
        and left(right({{ value }}, {{ scale + 1 }}), 1) = '.'
        then null
    {%- endif %}
    {%- if type not in event_units() %}
    when not pg_input_is_valid({{ text }}, '{{ 'numeric' if type.startswith('numeric') else type }}')
        then array['{{ column }}', 'cannot be read as {{ type }}'
            || coalesce(' (SQLSTATE ' || (pg_input_error_info({{ text }}, '{{ type }}')).sql_error_code || ')', '')]
    {%- if '(' in type and type.startswith('numeric') %}
    when not pg_input_is_valid({{ text }}, '{{ type }}')
        then array['{{ column }}', 'is too large for {{ type }}']
    when ({{ text }})::numeric <> ({{ text }})::{{ type }}
        then array['{{ column }}', 'would be rounded to {{ type }}']
    {%- endif %}
    {%- endif %}
    {%- endif %}
    {%- endif %}
end
{%- endmacro %}


{#- The text of a column in an event, in PostgreSQL's format: what staging models cast. -#}
{% macro column_text(value, type) -%}
    {%- if type == 'timestamptz' -%}
        {{ event_timestamp_text(value) }}
    {%- elif type.startswith('numeric') -%}
        {{ event_number_text(value) }}
    {%- else -%}
        {{ value }}
    {%- endif -%}
{%- endmacro %}


{#- Why an event of the transaction topic cannot be used; like event_fault. -#}
{% macro transaction_fault(event) -%}
case
    when jsonb_typeof({{ event }}.value) <> 'object'
        then array['', 'is no change event but a JSON ' || jsonb_typeof({{ event }}.value)]
    when coalesce({{ event }}.value ->> 'status' not in ('BEGIN', 'END'), true)
        then array['status', 'is neither BEGIN nor END']
    -- digits, or digits, a colon and digits
    when not coalesce(
            translate({{ event }}.value ->> 'id', '0123456789', '') in ('', ':')
            and length(split_part({{ event }}.value ->> 'id', ':', 1)) between 1 and 18
            and length(split_part({{ event }}.value ->> 'id', ':', 2)) <= 18,
            false
        )
        then array['id', 'names no transaction']
    when {{ event }}.value ->> 'status' = 'BEGIN' then null
    when coalesce(jsonb_typeof({{ event }}.value -> 'data_collections'), 'null') not in ('array', 'null')
        then array['data_collections', 'is no list']
    when jsonb_typeof({{ event }}.value -> 'data_collections') = 'array' then
        case
            when
                jsonb_array_length({{ event }}.value -> 'data_collections')
                <> jsonb_array_length(jsonb_path_query_array(
                    {{ event }}.value -> 'data_collections',
                    'strict $[*] ? (@.type() == "object" && @.data_collection.type() == "string"'
                    ' && @.event_count.type() == "number" && @.event_count.floor() == @.event_count'
                    ' && @.event_count >= 0 && @.event_count < 1000000000000000)',
                    silent => true
                ))
                then array['data_collections', 'is no list of tables with their number of events']
        end
end
{%- endmacro %}


{#- Whether an event carries its transaction and its place in it, so that event_identity can be read. Rows of a snapshot do
    not, nor does anything that is no change event. -#}
{% macro has_identity(table_name, event) -%}
{%- if table_name == 'transaction' -%}
{{ event }}.value is not null and {{ transaction_fault(event) }} is null
{%- else -%}
{%- set source_of = event ~ ".value -> 'source'" -%}
(
    coalesce(pg_input_is_valid({{ source_of }} ->> 'txId', 'bigint'), false)
    and coalesce(pg_input_is_valid({{ source_of }} ->> 'lsn', 'bigint'), false)
    and {{ has_place(source_of, event ~ ".value -> 'transaction'") | indent(4) }}
)
{%- endif -%}
{%- endmacro %}


{#- Whether these parts of an event give its place in the transaction that its source names. -#}
{% macro has_place(source_of, transaction) -%}
coalesce(
    jsonb_typeof({{ transaction }}) = 'object'
    and pg_input_is_valid({{ transaction }} ->> 'total_order', 'bigint')
    and pg_input_is_valid({{ transaction }} ->> 'data_collection_order', 'bigint')
    -- must be the event's own transaction: for another one no END would ever come
    and split_part({{ transaction }} ->> 'id', ':', 1) = {{ source_of }} ->> 'txId',
    false
)
{%- endmacro %}

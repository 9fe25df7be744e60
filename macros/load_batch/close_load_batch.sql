{#- on-run-end: closes the load batch when every vault table was loaded in this invocation; otherwise leaves
    it open, and the next run loads it again. See _load_batch__macros.yml. -#}
{% macro close_load_batch(results) %}
{%- if load_batch_is_wanted() -%}
    {%- set succeeded = results | selectattr('status', 'equalto', 'success') | map(attribute='node.unique_id') | list -%}
    {%- set missing = load_batch_tables_to_build() | reject('in', succeeded) | list -%}
    {%- if missing -%}
        {%- do log("Load batch left open: " ~ missing | length ~ " of " ~ load_batch_tables_to_build() | length ~ " vault tables were not built in this run. The next run loads it again.", info=true) -%}
    {%- else -%}
        {{ finish_load_batch() }}
    {%- endif -%}
{%- endif -%}
{% endmacro %}


{#- Closes the batch of this invocation, if it is still open. -#}
{% macro finish_load_batch() %}
{%- set load_batch = load_batch_relation('load_batch') -%}
{{ load_batch_role() }}
do $close$
declare
    batch_id bigint;
begin
    select batch.load_batch_id into batch_id
    from {{ load_batch }} as batch
    inner join {{ load_batch_relation('load_batch_run') }} as run using (load_batch_id)
    where run.invocation_id = '{{ invocation_id }}' and batch.closed_at is null
    for update of batch;

    if batch_id is null then
        raise notice 'load batch of this run was closed by another run';
        return;
    end if;

    {% for table_name in load_batch_tables() -%}
    update {{ load_batch_relation('load_batch_range') }} as batch_range
    set to_load_date = greatest(batch_range.from_load_date, batch_range.to_load_date, (
        select max(staged.load_date)
        from {{ load_batch_stage(table_name) }} as staged
        where staged.kafka_partition = batch_range.kafka_partition
    ))
    where batch_range.load_batch_id = batch_id and batch_range.topic = '{{ cdc_topic(table_name) }}';

    {% endfor -%}
    update {{ load_batch_relation('hashing') }} set is_complete = true where load_batch_id = batch_id;
    update {{ load_batch }} set closed_at = clock_timestamp(), outcome = 'loaded' where load_batch_id = batch_id;
end
$close$
{% endmacro %}

{#- pre-hook of the models that load, in their transaction: holds the batch of this invocation, and pins the
    session settings that the text of a hash could depend on. See _load_batch__macros.yml. -#}
{% macro hold_load_batch() %}
{%- if load_batch_is_wanted() -%}
do $hold$
begin
    perform 1
    from {{ load_batch_relation('load_batch') }} as batch
    inner join {{ load_batch_relation('load_batch_run') }} as run using (load_batch_id)
    where run.invocation_id = '{{ invocation_id }}' and batch.closed_at is null
    for share of batch;

    if not found then
        raise exception 'this run holds no open load batch'
            using hint = 'Either its on-run-start failed (see above), or another run closed the batch. '
                'Nothing is lost: run again.';
    end if;

    -- Two loads at once do not meet in one table: the second finds what the first committed, and adds nothing.
    perform pg_advisory_xact_lock(hashtext('airline load of a model'), hashtext('{{ model.unique_id }}'));

    -- After that lock: a load may take its time. No other is to be held for long.
    set local lock_timeout = '{{ var('lock_patience') }}';
    set local time zone 'UTC';
    set local datestyle = 'ISO, YMD';
end
$hold$
{%- endif -%}
{% endmacro %}

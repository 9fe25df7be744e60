{#- pre-hook of the models that load, in their transaction: locks the batch of this invocation, and sets the session
    settings that the text of a hash depends on. See _load_batch__macros.yml. -#}
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

    -- Serialises two loads of the same model: the second sees what the first committed, and adds nothing.
    perform pg_advisory_xact_lock(hashtext('airline load of a model'), hashtext('{{ model.unique_id }}'));

    -- Set after that lock, because a load may take long; no other lock may be waited for as long.
    set local lock_timeout = '{{ var('lock_patience') }}';
    set local time zone 'UTC';
    set local datestyle = 'ISO, YMD';
end
$hold$
{%- endif -%}
{% endmacro %}

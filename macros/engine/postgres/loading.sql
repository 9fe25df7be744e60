{#- pre-hook of all models and snapshots, the first in their transaction: two builds of one model follow each other, and
    the second sees what the first committed. At once, both would replace the same function or view, which PostgreSQL
    refuses, or add the same rows. -#}
{% macro postgres__hold_model() -%}
    select pg_advisory_xact_lock(hashtext('airline build of a model'), hashtext('{{ model.unique_id }}'))
{%- endmacro %}


{#- Holds the batch of this invocation. See macros/engine/README.md. -#}
{% macro postgres__hold_batch() %}
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

    -- Set after the lock of hold_model, because a load may take long; no other lock may be waited for as long.
    set local lock_timeout = '{{ var('lock_patience') }}';
    set local time zone 'UTC';
    set local datestyle = 'ISO, YMD';
end
$hold$
{% endmacro %}


{% macro postgres__take_role(role) -%}
    set role {{ role }};
{%- endmacro %}


{% macro postgres__session_in_utc() -%}
    set local time zone 'UTC'
{%- endmacro %}

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


{#- How nodes of dbt ended. See macros/engine/README.md. -#}
{% macro postgres__keep_results(relation, rows) %}
-- Two runs that end at the same moment would delete and write the same rows in another order.
select pg_advisory_xact_lock(hashtext('airline results'));

insert into {{ relation }} as known
    (node_id, node_name, kind, node_group, model_name, schema_name, status, invocation_id, ran_at, succeeded_at, failing_since, skipped_since)
select
    *,
    '{{ invocation_id }}',
    now(),
    case when status not in {{ failures() }} and status <> 'skipped' then now() end,
    case when status in {{ failures() }} then now() end,
    case when status = 'skipped' then now() end
from (
    values
    {% for row in rows -%}
    ({{ quoted(row) }}){{ ',' if not loop.last }}
    {% endfor -%}
) as ran (node_id, node_name, kind, node_group, model_name, schema_name, status)
on conflict (node_id) do update set
    node_name = excluded.node_name,
    node_group = excluded.node_group,
    model_name = excluded.model_name,
    schema_name = excluded.schema_name,
    status = excluded.status,
    invocation_id = excluded.invocation_id,
    ran_at = excluded.ran_at,
    succeeded_at = coalesce(excluded.succeeded_at, known.succeeded_at),
    -- What was skipped is as it was before.
    failing_since = case
        when excluded.status = 'skipped' then known.failing_since
        when excluded.failing_since is not null then coalesce(known.failing_since, excluded.failing_since)
    end,
    skipped_since = case when excluded.status = 'skipped' then coalesce(known.skipped_since, excluded.skipped_since) end;
{% endmacro %}

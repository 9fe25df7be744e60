{#- Who reads a relation and calls its function of a moment. See macros/engine/README.md. -#}
{% macro postgres__let_read(relation, function, readers, others) %}
do $let_read$
declare
    past regprocedure := to_regprocedure('{{ function }}(timestamptz)');
    reader record;
begin
    -- Only what differs is changed: GRANT and REVOKE lock as every change of a table does.
    if past is not null and has_function_privilege('public', past, 'execute') then
        execute format('revoke execute on function %s from public', past);
    end if;

    for reader in
        select
            role.rolname as name,
            role.rolname = any(array[{{ quoted(readers) }}]::text []) as may,
            has_table_privilege(role.oid, to_regclass('{{ relation }}'), 'select') as reads,
            past is not null and has_function_privilege(role.oid, past, 'execute') as asks
        from pg_roles as role
        where role.rolname = any(array[{{ quoted(readers + others) }}]::text [])
    loop
        if reader.may and not reader.reads then
            execute format('grant select on %s to %I', to_regclass('{{ relation }}'), reader.name);
        elsif reader.reads and not reader.may then
            execute format('revoke select on %s from %I', to_regclass('{{ relation }}'), reader.name);
        end if;
        if reader.may and past is not null and not reader.asks then
            execute format('grant execute on function %s to %I', past, reader.name);
        elsif reader.asks and not reader.may then
            execute format('revoke execute on function %s from %I', past, reader.name);
        end if;
    end loop;
end
$let_read$
{% endmacro %}


{#- Asked once, not for each row. Of who logged in, for a function that runs with its owner's rights has another
    current_user. A regclass, which is looked up when the view is made: those who may not read the relation may not look
    it up either. -#}
{% macro postgres__session_may_read(relation) -%}
    (select has_table_privilege(session_user, '{{ relation }}'::regclass, 'select'))
{%- endmacro %}


{#- HMAC with SHA-256 (RFC 2104), which PostgreSQL has in an extension alone; 64 of its bits. The key is in the warehouse
    (infra/warehouse/schemas.sql), as the two blocks that are hashed before and after. -#}
{% macro postgres__pseudonym(value) -%}
    'P-' || left(encode(sha256(
        (select secret.outer_block from dwh_secrets.pseudonym_key as secret)
        || sha256((select secret.inner_block from dwh_secrets.pseudonym_key as secret) || convert_to({{ value }}, 'UTF8'))
    ), 'hex'), 16)
{%- endmacro %}

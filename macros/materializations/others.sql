{#- Other people's sessions and objects at what dbt builds. See _materializations__macros.yml. -#}

{#- A block of PL/pgSQL: runs the caller's statement, which locks everybody else out of `relation`, as soon as nobody
    is in it. Each try waits a second, so that those who come to read meanwhile do not wait behind it for long. Gives
    up after the variable lock_patience, with the sessions that are in it. -#}
{% macro patiently(relation) %}
declare
    give_up_at timestamptz := clock_timestamp() + interval '{{ var('lock_patience') }}';
    holders text;
begin
    loop
        begin
            perform set_config('lock_timeout', '1s', true);
            {{ caller() }}
            exit;
        exception when lock_not_available then
            if clock_timestamp() > give_up_at then
                select string_agg(distinct format('%s (%s)', session.pid, session.usename), ', ') into holders
                from pg_locks as lock
                inner join pg_stat_activity as session on session.pid = lock.pid
                where
                    lock.relation = to_regclass('{{ relation }}')
                    and lock.granted
                    and lock.pid <> pg_backend_pid();

                raise exception '% is to be replaced, and is in use for % by the sessions %',
                    '{{ relation.include(database=false) | replace('"', '') }}',
                    '{{ var('lock_patience') }}',
                    coalesce(holders, 'of somebody (see pg_locks)')
                    using
                        errcode = 'lock_not_available',
                        hint = 'Let them end their transactions, or end them: select pg_terminate_backend(pid). '
                            'Then build again.';
            end if;
            perform pg_sleep(0.5);
        end;
    end loop;
    perform set_config('lock_timeout', '{{ var('lock_patience') }}', true);
end;
{% endmacro %}


{#- dbt renames a table that it has made anew into its place, while others may read the old one. -#}
{% macro postgres__rename_relation(from_relation, to_relation) %}
    {% call statement('rename_relation') -%}
        do $rename$
        {% call patiently(from_relation) -%}
            alter table {{ from_relation }} rename to {{ adapter.quote(to_relation.identifier) }};
        {%- endcall %}
        $rename$
    {%- endcall %}
{% endmacro %}


{#- Grants as dbt has them, and those that somebody gave on the table whose place this one takes. -#}
{% macro postgres__apply_grants(relation, grant_config, should_revoke=true) %}
    {%- do dbt.default__apply_grants(relation, grant_config, should_revoke) -%}
    {%- set backup = "to_regclass('" ~ make_backup_relation(relation, 'table') ~ "')" -%}
    {% call statement('keep_grants') -%}
        do $keep_grants$
        declare
            command text;
        begin
            {{ make_grants(grants_of(backup, "'" ~ relation ~ "'")) }}
        end
        $keep_grants$
    {%- endcall %}
{% endmacro %}


{#- An array of statements: they make the grants on a relation again on the one that is called `name` then. Both are
    expressions of SQL; of no relation there are none. -#}
{% macro grants_of(oid, name) -%}
array(
    select format('grant %s on %s to %s', given.privilege, {{ name }}, {{ grantee_of('given') }})
    from (
        select
            acl.grantee,
            acl.is_grantable,
            acl.privilege_type::text as privilege
        from pg_class as granted
        cross join aclexplode(granted.relacl) as acl
        where granted.oid = {{ oid }} and acl.grantee <> granted.relowner
        union all
        select
            acl.grantee,
            acl.is_grantable,
            format('%s (%I)', acl.privilege_type, granted.attname) as privilege
        from pg_attribute as granted
        cross join aclexplode(granted.attacl) as acl
        where granted.attrelid = {{ oid }}
    ) as given
)
{%- endmacro %}


{#- To whom a row of aclexplode grants, as the end of a GRANT. -#}
{% macro grantee_of(acl) -%}
case {{ acl }}.grantee when 0 then 'public' else {{ acl }}.grantee::regrole::text end
|| case when {{ acl }}.is_grantable then ' with grant option' else '' end
{%- endmacro %}


{#- PL/pgSQL that runs such statements; it needs the variable `command`. -#}
{% macro make_grants(commands) -%}
foreach command in array {{ commands }} loop
    begin
        execute command;
    exception when undefined_column then
        -- The grant went with its column.
        null;
    end;
end loop;
{%- endmacro %}


{#- Ends the build with a clear error where dropping `relation` would take objects with it that this project has not
    made. Call it before anything is dropped. -#}
{% macro refuse_to_drop(relation) %}
{%- if execute and relation is not none -%}
    {%- set found = run_query(objects_of_others(relation))[0][0] -%}
    {%- if found -%}
        {{ exceptions.raise_compiler_error(
            relation.include(database=false) | replace('"', '') ~ " has to be made anew, and would take with it what "
            ~ "others built on it: " ~ found ~ ". Nothing was changed. Save their definitions (pg_dump --schema-only, or "
            ~ "pg_get_viewdef), drop them, build, and make them again."
        ) }}
    {%- endif -%}
{%- endif -%}
{% endmacro %}


{#- A query of one text: the objects built on `relation`, directly or through others, that are no models of this
    project; null where there are none. -#}
{% macro objects_of_others(relation) -%}
with recursive project (oid) as (

    {% for node in graph.nodes.values() if node.resource_type in ['model', 'seed', 'snapshot'] and node.relation_name -%}
    select to_regclass('{{ node.relation_name }}')::oid{{ ' union all' if not loop.last }}
    {% endfor %}

),

-- views, policies, triggers and functions; what the relation is made of itself goes with it and is nobody's
built_on (classid, objid) as (

    select
        'pg_class'::regclass::oid,
        to_regclass('{{ relation }}')::oid
    union
    select
        case when rule.oid is null then dependency.classid else 'pg_class'::regclass end,
        coalesce(rule.ev_class, dependency.objid)
    from built_on
    left join pg_class as below on built_on.classid = 'pg_class'::regclass and below.oid = built_on.objid
    inner join pg_depend as dependency
        on
            dependency.deptype in ('n', 'a')
            and (
                dependency.refclassid = built_on.classid and dependency.refobjid = built_on.objid
                or dependency.refclassid = 'pg_type'::regclass and dependency.refobjid = below.reltype
            )
    left join pg_rewrite as rule
        on dependency.classid = 'pg_rewrite'::regclass and rule.oid = dependency.objid
    where
        rule.oid is not null
        or dependency.classid in ('pg_proc'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass)

)

select string_agg(pg_describe_object(built_on.classid, built_on.objid, 0), ', ' order by built_on.objid)
from built_on
left join pg_proc as function on built_on.classid = 'pg_proc'::regclass and function.oid = built_on.objid
where
    built_on.objid <> to_regclass('{{ relation }}')::oid
    and built_on.objid not in (select project.oid from project where project.oid is not null)
    -- time travel (as_of_function), which is made anew with its model
    and not coalesce(function.proname like '%\_as\_of' and function.proowner = current_user::regrole, false)
{%- endmacro %}

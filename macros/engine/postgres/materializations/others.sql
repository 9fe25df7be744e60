{#- Sessions, grants and objects of others on the relations that dbt builds. See _materializations__macros.yml. -#}

{#- A block of PL/pgSQL: runs the caller's statement, which takes an exclusive lock on `relation`, when no session uses it.
    Each attempt waits a second, so that new readers do not queue behind it for long. Gives up after the time in the
    variable lock_patience, with an error that names the sessions. -#}
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


{#- dbt renames a new table into the place of the old one, which others may be reading. -#}
{% macro postgres__rename_relation(from_relation, to_relation) %}
    {% call statement('rename_relation') -%}
        do $rename$
        {% call patiently(from_relation) -%}
            alter table {{ from_relation }} rename to {{ adapter.quote(to_relation.identifier) }};
        {%- endcall %}
        $rename$
    {%- endcall %}
{% endmacro %}


{#- dbt's grants, and those that others made on the table that this one replaces. -#}
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


{#- An array of statements that repeat the grants of a relation on the relation `name`. Both arguments are SQL
    expressions; empty if there is no such relation. -#}
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
        -- The column of this grant does not exist any more.
        null;
    end;
end loop;
{%- endmacro %}


{#- Ends the build with an error if dropping `relation` would drop objects that this project has not made. Must be called
    before anything is dropped. -#}
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

-- views, policies, triggers and functions; the relation's own parts (types, defaults) do not count
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
    -- time-travel functions (as_of_function), which are made again with their model
    and not coalesce(function.proname like '%\_as\_of' and function.proowner = current_user::regrole, false)
{%- endmacro %}

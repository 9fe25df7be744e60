{#- Gives columns of tables wider types. See macros/engine/README.md. -#}
{% macro postgres__widen(columns) %}
do $widen$
declare
    narrow record;
    dependent record;
    command text;
    others text;
begin
    for narrow in
        select
            held.attrelid,
            held.attnum,
            modelled.relation,
            modelled.column_name,
            modelled.type
        from (values
            {{ columns | join(',\n            ') }}
        ) as modelled (relation, column_name, type)
        inner join pg_attribute as held
            on
                held.attrelid = to_regclass(modelled.relation)
                and held.attname = modelled.column_name
        where
            held.atttypid in ('numeric'::regtype, 'integer'::regtype, 'smallint'::regtype)
            and format_type(held.atttypid, held.atttypmod) <> modelled.type
    loop
        -- PostgreSQL alters no column that a view uses: the views, and functions that return their rows, are made again.
        drop table if exists widen_dependent;
        create temporary table widen_dependent on commit drop as
        with recursive above (relation, depth) as (
            select rule.ev_class, 1
            from pg_depend as shows
            inner join pg_rewrite as rule on shows.classid = 'pg_rewrite'::regclass and shows.objid = rule.oid
            where
                shows.refclassid = 'pg_class'::regclass
                and shows.refobjid = narrow.attrelid
                and shows.refobjsubid = narrow.attnum
                and rule.ev_class <> narrow.attrelid
            union
            select rule.ev_class, above.depth + 1
            from above
            inner join pg_depend as shows on shows.refclassid = 'pg_class'::regclass and shows.refobjid = above.relation
            inner join pg_rewrite as rule on shows.classid = 'pg_rewrite'::regclass and shows.objid = rule.oid
            where rule.ev_class <> above.relation
        ),

        dependent_view as (
            select relation, max(depth) as depth from above group by relation
        )

        select
            found.depth,
            format('%I.%I', namespace.nspname, view.relname) as name,
            view.relkind = 'v' and pg_has_role(current_user, view.relowner, 'usage') as is_ours,
            format('drop view %I.%I cascade', namespace.nspname, view.relname) as undo,
            array[format('create view %I.%I as %s', namespace.nspname, view.relname, pg_get_viewdef(view.oid))]
            || {{ grants_of('view.oid', "format('%I.%I', namespace.nspname, view.relname)") | indent(12) }} as commands
        from dependent_view as found
        inner join pg_class as view on found.relation = view.oid
        inner join pg_namespace as namespace on view.relnamespace = namespace.oid
        union all
        select
            1000 as depth,
            function.oid::regprocedure::text as name,
            pg_has_role(current_user, function.proowner, 'usage') as is_ours,
            null as undo,
            array[pg_get_functiondef(function.oid)]
            || array(
                select format('grant execute on function %s to %s', function.oid::regprocedure, {{ grantee_of('granted') }})
                from aclexplode(function.proacl) as granted
                where granted.grantee <> function.proowner
            ) as commands
        from dependent_view as found
        inner join pg_type as type on found.relation = type.typrelid
        inner join pg_proc as function on type.oid = function.prorettype;

        select string_agg(wanted.name, ', ' order by wanted.name) into others
        from widen_dependent as wanted
        where not wanted.is_ours;
        if others is not null then
            raise exception '%.% cannot become % while others'' objects show it: %',
                narrow.relation, narrow.column_name, narrow.type, others
                using hint = 'Drop them, load, and make them again. Nothing was loaded, and nothing is lost.';
        end if;

        for command in
            select wanted.undo from widen_dependent as wanted where wanted.undo is not null order by wanted.depth desc
        loop
            execute command;
        end loop;
        execute format('alter table %s alter column %I type %s', narrow.relation, narrow.column_name, narrow.type);
        -- functions may call each other, so they are made again without checking their bodies
        perform set_config('check_function_bodies', 'off', true);
        for dependent in select wanted.commands from widen_dependent as wanted order by wanted.depth loop
            foreach command in array dependent.commands loop
                execute command;
            end loop;
        end loop;
    end loop;
end
$widen$;
{% endmacro %}

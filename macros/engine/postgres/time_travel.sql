{#- A function from a moment to rows of the model just built. See macros/engine/README.md. -#}
{% macro postgres__make_function_of_moment(function, columns, query) %}
-- Replaced in place, so that dependent objects stay; dropped only if its row type is another one.
do $drop_of_another_type$
begin
    if exists (
        select
        from pg_proc
        where
            oid = to_regprocedure('{{ function }}(timestamptz)')
            and prorettype <> (select reltype from pg_class where oid = to_regclass('{{ this }}'))
    ) then
        drop function {{ function }}(timestamptz);
    end if;
end
$drop_of_another_type$;
create or replace function {{ function }}(known_at timestamptz) returns setof {{ this }}
language sql stable parallel safe
{%- if model.access == 'public' %}
-- A reader of the mart may call the function without rights on the vault.
security definer
set search_path = ''
{%- endif %}
as $as_of$
select {{ columns }}
from (
{{ query }}
) as known
$as_of$;
comment on function {{ function }}(timestamptz) is
'{{ model.name }} as it was known at a moment: made by dbt from the same SQL, over what the vault had by then.';
{% endmacro %}


{% macro postgres__function_rows(function, moment, name) -%}
    lateral {{ function }}({{ moment }}) as {{ name }}
{%- endmacro %}

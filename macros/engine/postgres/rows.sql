{% macro postgres__rows_of(name, columns, rows) -%}
    lateral (
        values
        {% for row in rows %}({{ row | join(', ') }}){{ ', ' if not loop.last }}{% endfor %}
    ) as {{ name }} ({{ columns | join(', ') }})
{%- endmacro %}


{% macro postgres__numbers_between(name, first, last) -%}
    generate_series({{ first }}, {{ last }}) as {{ name }}
{%- endmacro %}


{% macro postgres__days_between(name, first, last) -%}
    generate_series(cast({{ first }} as timestamp), cast({{ last }} as timestamp), interval '1 day') as {{ name }}
{%- endmacro %}


{% macro postgres__first_of_each(key, columns, rows, order_by) -%}
    select distinct on ({{ key }})
        {{ columns | join(', ') }}
    from {{ rows }}
    order by
        {{ ([key ~ ' asc'] + order_by) | join(', ') }}
{%- endmacro %}


{% macro postgres__first_match(name, order_by, query) -%}
    lateral (
        {{ query }}
        order by {{ order_by }}
        limit 1
    ) as {{ name }}
{%- endmacro %}


{% macro postgres__planned_apart() -%}
    offset 0
{%- endmacro %}


{% macro postgres__row_value(columns) -%}
    ({{ columns | join(', ') }})
{%- endmacro %}


{% macro postgres__whole_row(name) -%}
    {{ name }}
{%- endmacro %}

{#- Wrong if this returns a row: it lacks a value that every row of the model has. One query for all columns,
    where not_null on each would compute a view again and again. -#}
{% test no_nulls(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    where {{ columns | join(' is null or ') }} is null
{% endtest %}

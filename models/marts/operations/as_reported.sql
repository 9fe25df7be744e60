{{ config(meta={'as_of': false}) }}

{%- set figures = [
    'flights_flown', 'passengers', 'revenue', 'completion_percent', 'on_time_percent', 'load_factor_percent'
] %}

-- The function runs once for each moment that is asked for: ask for one.
select
    moments.known_at,
    moments.moment,
    reported.flight_date,
    {%- for figure in figures %}
    reported.{{ figure }} as {{ figure }}_reported,
    newest.{{ figure }},
    {%- endfor %}
    {%- for figure in figures %}
    {{ 'or ' if not loop.first }}(reported.{{ figure }} is distinct from newest.{{ figure }})
    {%- endfor %} as is_changed
from {{ ref('known_moments') }} as moments
cross join {{ rows_as_of('network_by_day', 'moments.known_at', 'reported') }}
inner join {{ ref('network_by_day') }} as newest on newest.flight_date = reported.flight_date

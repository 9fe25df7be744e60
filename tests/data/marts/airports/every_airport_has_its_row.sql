-- Wrong if this returns a row: an airport is missing from a mart that has one row per airport, or is there twice.
{%- for mart in ['airport_traffic', 'v_airport_traffic_share', 'v_airport_map'] %}
select
    '{{ mart }}' as mart,
    airports.airport_code,
    count(mart.airport_code) as times
from {{ ref('current_airports') }} as airports
left join {{ ref(mart) }} as mart on mart.airport_code = airports.airport_code
group by airports.airport_code
having count(mart.airport_code) <> 1
{{ 'union all' if not loop.last }}
{%- endfor %}

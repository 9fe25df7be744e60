select
    airports.airport_code,
    airports.airport_name,
    airports.city,
    cast(airports.coordinates_lon as double precision) as longitude,
    cast(airports.coordinates_lat as double precision) as latitude,
    shares.flights,
    shares.passengers
from {{ ref('v_airport_traffic_share') }} as shares
join {{ ref('current_airports') }} as airports on airports.airport_code = shares.airport_code

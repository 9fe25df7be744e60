select
    airports.airport_code,
    airports.airport_name,
    airports.city,
    {{ plausible_degrees('airports.coordinates_lon', 180) }} as longitude,
    {{ plausible_degrees('airports.coordinates_lat', 90) }} as latitude,
    shares.flights,
    shares.passengers
from {{ ref('v_airport_traffic_share') }} as shares
join {{ ref('current_airports') }} as airports on airports.airport_code = shares.airport_code

-- Wrong if this returns a row: the airports' shares of flights or of passengers do not sum to exactly 100.00 (0 without traffic).
select
    sum(flights) as flights,
    sum(flight_share_percent) as flight_share_percent,
    sum(passengers) as passengers,
    sum(passenger_share_percent) as passenger_share_percent
from {{ ref('v_airport_traffic_share') }}
having
    sum(flight_share_percent) <> case when sum(flights) > 0 then 100 else 0 end
    or sum(passenger_share_percent) <> case when sum(passengers) > 0 then 100 else 0 end

-- Wrong if this returns a row: making the shares sum to 100 moved one of them by a hundredth of a percent or more.
select shares.*
from (
    select
        airport_code,
        flight_share_percent,
        passenger_share_percent,
        100.0 * flights / nullif(sum(flights) over (), 0) as exact_flight_share,
        100.0 * passengers / nullif(sum(passengers) over (), 0) as exact_passenger_share
    from {{ ref('v_airport_traffic_share') }}
) as shares
where
    abs(flight_share_percent - exact_flight_share) >= 0.01
    or abs(passenger_share_percent - exact_passenger_share) >= 0.01

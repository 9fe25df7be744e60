-- Wrong if this returns a row: a day has more passengers than the window, an average with nobody to average, or passengers without flights.
select *
from {{ ref('v_passenger_metrics_30d') }}
where
    unique_passengers > unique_passengers_30d
    or (unique_passengers = 0 and avg_check is not null)
    or (unique_passengers = 0) <> (avg_flights_per_passenger is null)
    or (unique_passengers = 0 and revenue <> 0)
    or avg_flights_per_passenger < 1
    or avg_flights_per_passenger_30d < 1

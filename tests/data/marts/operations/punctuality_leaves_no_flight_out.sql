-- Wrong if this returns a row: a flight is counted twice or in no state, or a share lies outside 0 to 100.
select *
from {{ ref('flight_punctuality') }}
where
    flights_cancelled + flights_flown > flights_scheduled
    or flights_on_time > flights_arrived
    or flights_arrived > flights_flown
    or completion_percent not between 0 and 100
    or on_time_percent not between 0 and 100
    or (on_time_percent is not null and flights_arrived = 0)
    or (on_time_percent is null and flights_on_time > 0)
    or max_arrival_delay_minutes > arrival_delay_minutes

-- Wrong if this returns a row: from one day to the next a curve changes by something else than what was sold and returned.
select *
from (
    select
        flight_id,
        days_before_departure,
        seats_sold,
        seats_sold_that_day,
        seats_returned_that_day,
        lag(seats_sold, 1, cast(0 as bigint)) over in_time as seats_sold_before,
        lag(days_before_departure, 1, days_before_departure + 1) over in_time as day_before
    from {{ ref('booking_curve') }}
    window in_time as (partition by flight_id order by days_before_departure desc)
) as steps
where
    seats_sold <> seats_sold_before + seats_sold_that_day - seats_returned_that_day
    or day_before <> days_before_departure + 1
    or seats_sold < 0

-- Wrong if this returns a row: at its end (departure, or when it was made) the booking curve has other seats sold than
-- flight_load has passengers, though nothing was sold or returned since.
select curve.flight_id, curve.seats_sold, loads.passengers
from {{ ref('booking_curve') }} as curve
join {{ ref('flight_load') }} as loads on loads.flight_id = curve.flight_id
where
    curve.days_before_departure = 0
    and curve.seats_sold <> loads.passengers
    and not exists (
        select 1
        from {{ ref('segment_sales') }} as sales
        where
            sales.flight_id = curve.flight_id
            and (sales.sold_at > curve.measured_at or sales.returned_at > curve.measured_at)
    )

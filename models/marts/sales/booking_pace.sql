with

curve as (

    select
        booking_curve.flight_id,
        booking_curve.days_before_departure,
        booking_curve.seats,
        booking_curve.seats_sold,
        booking_curve.scheduled_departure <= {{ now_timestamp() }} as has_departed
    from {{ ref('booking_curve') }} as booking_curve

),

-- how far each flight has come
flights as (

    select
        curve.flight_id,
        curve.has_departed,
        max(curve.seats) as seats,
        min(curve.days_before_departure) as newest_day
    from curve
    group by curve.flight_id, curve.has_departed

),

-- A curve begins with the first sale: before it a flight has its seats all the same, and none of them sold.
seats as (

    select
        days_before_departure,
        count(*) filter (where flights.has_departed) as usual_flights,
        sum(flights.seats) filter (where flights.has_departed) as usual_seats,
        count(*) filter (where not flights.has_departed) as coming_flights,
        sum(flights.seats) filter (where not flights.has_departed) as coming_seats
    from {{ numbers_between('days_before_departure', '0', '60') }}
    inner join flights on flights.newest_day <= days_before_departure
    group by days_before_departure

),

sold as (

    select
        curve.days_before_departure,
        sum(curve.seats_sold) filter (where curve.has_departed) as usual_sold,
        sum(curve.seats_sold) filter (where not curve.has_departed) as coming_sold
    from curve
    group by curve.days_before_departure

)

select
    seats.days_before_departure,
    seats.usual_flights,
    cast(100.0 * coalesce(sold.usual_sold, 0) / nullif(seats.usual_seats, 0) as numeric(10, 2)) as usual_sold_percent,
    seats.coming_flights,
    cast(100.0 * coalesce(sold.coming_sold, 0) / nullif(seats.coming_seats, 0) as numeric(10, 2)) as coming_sold_percent
from seats
left join sold on sold.days_before_departure = seats.days_before_departure

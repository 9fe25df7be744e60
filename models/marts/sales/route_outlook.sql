with

seats as (

    {{ seats_per_aircraft() }}

),

flights as (

    select
        flights.flight_id,
        flights.departure_airport,
        flights.arrival_airport,
        coalesce(seats.seats, 0) as seats
    from {{ ref('current_flights') }} as flights
    left join seats on seats.aircraft_code = flights.aircraft_code
    where
        {{ is_traffic('flights') }}
        and {{ plausible_moment('flights.scheduled_departure') | indent(8) }} > {{ now_timestamp() }}
        and {{ plausible_moment('flights.scheduled_departure') | indent(8) }} <= {{ now_timestamp() }} + interval '720 hours'
        and flights.departure_airport is not null
        and flights.arrival_airport is not null

),

-- Each flight's segments by their index, not all there ever were.
sold as (

    select
        flights.departure_airport,
        flights.arrival_airport,
        flights.seats,
        segments.seats_sold,
        segments.revenue
    from flights
    cross join lateral (
        select count(*) as seats_sold, coalesce(sum({{ plausible_amount('segments.amount') }}), 0) as revenue
        from {{ ref('current_ticket_flights') }} as segments
        where segments.flight_id = flights.flight_id
    ) as segments

),

routes as (

    select
        sold.departure_airport,
        sold.arrival_airport,
        count(*) as flights,
        cast(sum(sold.seats) as bigint) as seats,
        cast(sum(sold.seats_sold) as bigint) as seats_sold,
        sum(sold.revenue) as revenue
    from sold
    group by sold.departure_airport, sold.arrival_airport

)

select
    routes.departure_airport,
    routes.arrival_airport,
    {{ airport_label('origin', 'routes.departure_airport') }} || ' → '
    || {{ airport_label('target', 'routes.arrival_airport') }} as route,
    routes.flights,
    routes.seats,
    routes.seats_sold,
    cast(100.0 * routes.seats_sold / nullif(routes.seats, 0) as numeric(10, 2)) as load_factor_percent,
    cast(routes.revenue as numeric(18, 2)) as revenue
from routes
left join {{ ref('current_airports') }} as origin on origin.airport_code = routes.departure_airport
left join {{ ref('current_airports') }} as target on target.airport_code = routes.arrival_airport

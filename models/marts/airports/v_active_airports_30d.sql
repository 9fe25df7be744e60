with

window_days as (

    {{ window_days() }}

),

-- "union" keeps an airport once a day, however many flights it had
airport_days as (

    select
        {{ utc_day('flights.scheduled_departure') }} as flight_date,
        flights.departure_airport as airport_code
    from {{ ref('current_flights') }} as flights
    where {{ is_traffic('flights') }} and {{ in_window('flights.scheduled_departure') }}

    union

    select
        {{ utc_day('flights.scheduled_departure') }} as flight_date,
        flights.arrival_airport as airport_code
    from {{ ref('current_flights') }} as flights
    where {{ is_traffic('flights') }} and {{ in_window('flights.scheduled_departure') }}

),

whole_window as (

    select count(distinct airport_days.airport_code) as active_airports
    from airport_days

)

select
    window_days.flight_date,
    count(airport_days.airport_code) as active_airports,
    whole_window.active_airports as active_airports_30d,
    {{ is_whole_day('window_days.flight_date') }} as is_whole_day
from window_days
cross join whole_window
left join airport_days on airport_days.flight_date = window_days.flight_date
group by window_days.flight_date, whole_window.active_airports

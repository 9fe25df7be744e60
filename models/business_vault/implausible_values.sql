-- What the marts leave out of their figures, in the words of macros/marts/plausible.sql.
with flights as (
    select
        flights.*,
        {{ plausible_moment('flights.scheduled_departure') | indent(8) }} as timetable_departure,
        {{ plausible_moment('flights.scheduled_arrival') | indent(8) }} as timetable_arrival
    from {{ ref('current_flights') }} as flights
),

of_flights as (
    {%- set actual_departure_is -%}
            case
                when flights.actual_departure is null then null
                when {{ plausible_moment('flights.actual_departure') | indent(16) }} is null then 'no day of a timetable'
                when flights.timetable_departure is null then null
                when {{ near_timetable('flights.actual_departure', 'flights.scheduled_departure') | indent(16) }} is null
                    then 'too far from the timetable'
            end
    {%- endset %}
    {%- set actual_arrival_is -%}
            case
                when flights.actual_arrival is null then null
                when {{ plausible_moment('flights.actual_arrival') | indent(16) }} is null then 'no day of a timetable'
                when flights.timetable_arrival is null then null
                when {{ near_timetable('flights.actual_arrival', 'flights.scheduled_arrival') | indent(16) }} is null
                    then 'too far from the timetable'
            end
    {%- endset %}
    {%- set status_is -%}
            case
                when flights.status is null then 'missing'
                when flights.status not in ('Scheduled', 'On Time', 'Delayed', 'Departed', 'Arrived', 'Cancelled')
                    then 'no status of a flight'
            end
    {%- endset %}

    select
        'flights' as table_name,
        {{ as_text('flights.flight_id') }} as row_key,
        found.column_name,
        found.value,
        found.reason
    from flights
    cross join {{ rows_of('found', ['column_name', 'value', 'reason'], [
        [
            "'scheduled_departure'", as_text('flights.scheduled_departure'),
            "case when flights.timetable_departure is null then 'no day of a timetable' end"
        ],
        [
            "'scheduled_arrival'", as_text('flights.scheduled_arrival'),
            "case when flights.timetable_arrival is null then 'no day of a timetable' end"
        ],
        ["'actual_departure'", as_text('flights.actual_departure'), actual_departure_is],
        ["'actual_arrival'", as_text('flights.actual_arrival'), actual_arrival_is],
        ["'departure_airport'", 'null', "case when flights.departure_airport is null then 'missing' end"],
        ["'arrival_airport'", 'null', "case when flights.arrival_airport is null then 'missing' end"],
        ["'aircraft_code'", 'null', "case when flights.aircraft_code is null then 'missing' end"],
        ["'flight_no'", 'null', "case when flights.flight_no is null then 'missing' end"],
        ["'status'", 'left(flights.status, 100)', status_is]
    ]) | indent(4) }}
    where found.reason is not null
),

of_bookings as (
    {%- set book_date_is -%}
            case when {{ plausible_moment('bookings.book_date') | indent(12) }} is null then 'no day of a timetable' end
    {%- endset %}
    {%- set total_amount_is -%}
            case when {{ plausible_amount('bookings.total_amount') }} is null then 'no amount of money' end
    {%- endset %}

    select
        'bookings' as table_name,
        bookings.book_ref as row_key,
        found.column_name,
        found.value,
        found.reason
    from {{ ref('current_bookings') }} as bookings
    cross join {{ rows_of('found', ['column_name', 'value', 'reason'], [
        ["'book_date'", as_text('bookings.book_date'), book_date_is],
        ["'total_amount'", as_text('bookings.total_amount'), total_amount_is]
    ]) | indent(4) }}
    where found.reason is not null
),

sold_too_early as (
    select distinct
        'bookings' as table_name,
        bookings.book_ref as row_key,
        'book_date' as column_name,
        {{ as_text('bookings.book_date') }} as value,
        'longer before a departure than seats are on sale' as reason
    from {{ ref('current_bookings') }} as bookings
    inner join {{ ref('kept_ticket_flights') }} as segments on bookings.book_ref = segments.book_ref
    inner join flights on segments.flight_id = flights.flight_id
    where
        flights.timetable_departure - {{ plausible_moment('bookings.book_date') | indent(8) }}
        > interval '{{ 24 * (plausible("days_on_sale") | int + 1) }} hours'
),

of_tickets as (
    select
        'tickets' as table_name,
        tickets.ticket_no as row_key,
        found.column_name,
        null as value,
        'missing' as reason
    from {{ ref('current_tickets') }} as tickets
    cross join {{ rows_of('found', ['column_name', 'is_missing'], [
        ["'book_ref'", 'tickets.book_ref is null'],
        ["'passenger_id'", 'tickets.passenger_id is null'],
        ["'passenger_name'", 'tickets.passenger_name is null']
    ]) | indent(4) }}
    where
        (tickets.book_ref is null or tickets.passenger_id is null or tickets.passenger_name is null)
        and found.is_missing
),

of_segments as (
    select
        'ticket_flights' as table_name,
        segments.ticket_no || ' ' || segments.flight_id as row_key,
        'amount' as column_name,
        {{ as_text('segments.amount') }} as value,
        'no amount of money' as reason
    from {{ ref('current_ticket_flights') }} as segments
    where {{ plausible_amount('segments.amount') }} is null
),

of_airports as (
    select
        'airports' as table_name,
        airports.airport_code as row_key,
        found.column_name,
        left(found.value, 100) as value,
        'no position' as reason
    from {{ ref('current_airports') }} as airports
    cross join {{ rows_of('found', ['column_name', 'value', 'is_none'], [
        [
            "'coordinates_lon'", as_text('airports.coordinates_lon'),
            plausible_degrees('airports.coordinates_lon', 180) ~ ' is null'
        ],
        [
            "'coordinates_lat'", as_text('airports.coordinates_lat'),
            plausible_degrees('airports.coordinates_lat', 90) ~ ' is null'
        ]
    ]) | indent(4) }}
    where found.is_none
)

select * from of_flights
union all
select * from of_bookings
union all
select * from sold_too_early
union all
select * from of_tickets
union all
select * from of_segments
union all
select * from of_airports

{{
    config(
        materialized='table',
        unique_key='passenger_id',
        indexes=[{'columns': ['passenger_id'], 'unique': true}],
    )
}}

with

flown_segments as (

    select
        segments.passenger_id,
        flights.departure_airport,
        {{ departed_at('flights') }} as departed_at,
        {{ plausible_amount('segments.amount') }} as amount
    from {{ ref('current_flights') }} as flights
    join {{ ref('kept_ticket_flights') }} as segments on segments.flight_id = flights.flight_id
    where
        {{ has_flown('flights') }}
        and segments.passenger_id is not null
        and {{ departed_at('flights') }}
        >= {{ utc_midnight(run_date() ~ " - interval '1 year'") }}
        and {{ departed_at('flights') }} < {{ utc_midnight(run_date()) }}

),

passengers as (

    select
        flown_segments.passenger_id,
        count(*) as flights_number,
        coalesce(sum(flown_segments.amount), 0) as purchase_sum
    from flown_segments
    group by flown_segments.passenger_id

),

departures as (

    select
        flown_segments.passenger_id,
        flown_segments.departure_airport,
        count(*) as departures_number,
        max(flown_segments.departed_at) as last_departed_at
    from flown_segments
    where flown_segments.departure_airport is not null
    group by flown_segments.passenger_id, flown_segments.departure_airport

),

home_airports as (

    {{ first_of_each(
        key='departures.passenger_id',
        columns=['departures.passenger_id', 'departures.departure_airport as home_airport'],
        rows='departures',
        order_by=[
            'departures.departures_number desc',
            'departures.last_departed_at desc',
            byte_order('departures.departure_airport') ~ ' asc'
        ]
    ) | indent(4) }}

),

-- The name the booking system wrote last. The first load gives every ticket the same load date, so
-- among those the newest booking decides.
newest_names as (

    {%- set tickets_of_passengers %}
    {{ ref('current_tickets') }} as tickets
    left join {{ ref('current_bookings') }} as bookings on bookings.book_ref = tickets.book_ref
    where tickets.passenger_id in (select passengers.passenger_id from passengers)
    {%- endset %}

    {{ first_of_each(
        key='tickets.passenger_id',
        columns=['tickets.passenger_id', 'tickets.passenger_name'],
        rows=tickets_of_passengers,
        order_by=['tickets.load_date desc', 'bookings.book_date desc nulls last', 'tickets.ticket_no desc']
    ) | indent(4) }}

),

ranked as (

    select
        passengers.passenger_id,
        passengers.flights_number,
        passengers.purchase_sum,
        percent_rank() over (order by passengers.purchase_sum desc) as purchase_percent_rank
    from passengers

)

select
    ranked.passenger_id,
    newest_names.passenger_name,
    {{ pseudonym('ranked.passenger_id') }} as pseudonym,
    ranked.flights_number,
    cast(ranked.purchase_sum as numeric(18, 2)) as purchase_sum,
    home_airports.home_airport,
    customer_groups.customer_group,
    current_timestamp as updated_at
from ranked
join newest_names on newest_names.passenger_id = ranked.passenger_id
left join home_airports on home_airports.passenger_id = ranked.passenger_id
-- the narrowest group that the passenger's rank still falls into
cross join {% call first_match('customer_groups', order_by='thresholds.max_percent_rank') %}
    select thresholds.customer_group
    from {{ ref('customer_group_thresholds') }} as thresholds
    where thresholds.max_percent_rank >= ranked.purchase_percent_rank
{% endcall %}

{{
    config(
        materialized='incremental',
        incremental_strategy='replace_slices',
        unique_key='flight_date',
        on_schema_change='fail',
        indexes=[
            {'columns': ['flight_date', 'airport_code', 'linked_airport_code'], 'unique': true}
        ],
    )
}}

-- read by incremental runs only, so dbt does not see it when it parses:
-- depends_on: {{ ref('changed_flow_days') }}

with

{% if is_incremental() -%}
days as (

    {{ flow_days_to_compute() }}

),

{% endif -%}
flights as (

    select
        flights.flight_id,
        {{ utc_day(departed_at('flights')) }} as flight_date,
        flights.departure_airport,
        flights.arrival_airport
    from {{ ref('current_flights') }} as flights
    where
        {{ has_flown('flights') }}
        and flights.departure_airport is not null
        and flights.arrival_airport is not null
        and {{ utc_day(departed_at('flights')) }} <= {{ flow_last_day() }}
        {%- if is_incremental() %}
        and {{ utc_day(departed_at('flights')) }} in (select days.flight_date from days)
        {%- endif %}

),

passengers as (

    {{ passengers_per_flight('flights') }}

),

legs as (

    select
        flights.flight_date,
        flights.departure_airport,
        flights.arrival_airport,
        count(*) as flights,
        cast(coalesce(sum(passengers.passengers), 0) as bigint) as passengers
    from flights
    left join passengers on passengers.flight_id = flights.flight_id
    group by flights.flight_date, flights.departure_airport, flights.arrival_airport

),

-- each leg as seen from both its ends
movements as (

    select
        legs.flight_date,
        legs.departure_airport as airport_code,
        legs.arrival_airport as linked_airport_code,
        0 as flights_in,
        legs.flights as flights_out,
        0 as passengers_in,
        legs.passengers as passengers_out
    from legs

    union all

    select
        legs.flight_date,
        legs.arrival_airport as airport_code,
        legs.departure_airport as linked_airport_code,
        legs.flights as flights_in,
        0 as flights_out,
        legs.passengers as passengers_in,
        0 as passengers_out
    from legs

),

flow as (

    select
        movements.flight_date,
        movements.airport_code,
        movements.linked_airport_code,
        cast(sum(movements.flights_in) as bigint) as flights_in,
        cast(sum(movements.flights_out) as bigint) as flights_out,
        cast(sum(movements.passengers_in) as bigint) as passengers_in,
        cast(sum(movements.passengers_out) as bigint) as passengers_out
    from movements
    group by movements.flight_date, movements.airport_code, movements.linked_airport_code

),

newest_load_batch as (

    {{ newest_closed_load_batch() }}

)

{% if is_incremental() -%}
-- A computed day without traffic goes out as one row with nothing but the day: the incremental
-- strategy deletes that day's old rows and does not insert it.
select
    days.flight_date,
    flow.airport_code,
    flow.linked_airport_code,
    flow.flights_in,
    flow.flights_out,
    flow.passengers_in,
    flow.passengers_out,
    newest_load_batch.load_batch_id
from days
cross join newest_load_batch
left join flow on flow.flight_date = days.flight_date
{%- else -%}
select
    flow.flight_date,
    flow.airport_code,
    flow.linked_airport_code,
    flow.flights_in,
    flow.flights_out,
    flow.passengers_in,
    flow.passengers_out,
    newest_load_batch.load_batch_id
from flow
cross join newest_load_batch
{%- endif %}

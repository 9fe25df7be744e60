-- A flight names two airports by role; hub_airports wants them as one column.
with departures as (
    select
        departure_airport as airport_code,
        departure_airport_business_key as airport_code_business_key,
        load_date
    from {{ ref('stg_flights') }}
    where not is_deleted
),

arrivals as (
    select
        arrival_airport as airport_code,
        arrival_airport_business_key as airport_code_business_key,
        load_date
    from {{ ref('stg_flights') }}
    where not is_deleted
)

select * from departures
union all
select * from arrivals

{{ config(meta={'as_of': false}) }}

-- Each branch is driven by rows of one satellite and reaches the rest by key, so that a filter on
-- changed_at reads what changed and not the history.
with departures as (
    select
        flight_hash_key,
        load_date,
        {{ utc_day(departed_at('version')) }} as flight_date
    from {{ ref('sat_flight_details') }} as version
),

-- the day a flight is on now, and the day it was on before
moved as (
    select
        departures.flight_date,
        departures.load_date as changed_at
    from departures

    union all

    select
        earlier.flight_date,
        departures.load_date as changed_at
    from departures
    cross join {% call first_match('earlier', order_by='previous.load_date desc') %}
        select previous.flight_date
        from departures as previous
        where
            previous.flight_hash_key = departures.flight_hash_key
            and previous.load_date < departures.load_date
    {% endcall %}
),

-- a flight that was deleted or inserted again: every day it was ever on
reappeared as (
    select
        departures.flight_date,
        status.load_date as changed_at
    from {{ ref('sat_flight_status') }} as status
    inner join departures on status.flight_hash_key = departures.flight_hash_key
),

-- a segment that was sold or cancelled
sold as (
    select
        departures.flight_date,
        status.load_date as changed_at
    from {{ ref('sat_ticket_flight_status') }} as status
    inner join {{ ref('link_ticket_flight') }} as segment
        on status.ticket_flight_hash_key = segment.ticket_flight_hash_key
    inner join departures on segment.flight_hash_key = departures.flight_hash_key
)

select * from moved
union all
select * from reappeared
union all
select * from sold

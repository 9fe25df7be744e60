{%- set first_day = today() ~ ' - 59' -%}
with

days as (

    select cast(sales_day as date) as sales_date
    from {{ days_between('sales_day', first_day, today()) }}

),

-- A booking is committed at its date or later, so versions from before the window are of no booking in it.
made as (

    select
        {{ utc_day(plausible_moment('bookings.book_date')) }} as sales_date,
        count(*) as bookings,
        sum({{ plausible_amount('bookings.total_amount') }}) as booked_amount
    from {{ ref('standing_bookings') }} as bookings
    where
        bookings.changed_at >= {{ utc_midnight(first_day) }}
        and {{ plausible_moment('bookings.book_date') | indent(8) }} >= {{ utc_midnight(first_day) }}
        and {{ plausible_moment('bookings.book_date') | indent(8) }} <= {{ now_timestamp() }}
    group by {{ utc_day(plausible_moment('bookings.book_date')) }}

),

returned as (

    select
        {{ utc_day('returns.returned_at') }} as sales_date,
        count(*) as seats_returned,
        sum({{ plausible_amount('returns.amount') }}) as returned_amount
    from {{ ref('segment_returns') }} as returns
    where
        returns.returned_at >= {{ utc_midnight(first_day) }}
        and returns.returned_at <= {{ now_timestamp() }}
        and not returns.is_rebooked
    group by {{ utc_day('returns.returned_at') }}

)

select
    days.sales_date,
    coalesce(made.bookings, 0) as bookings,
    cast(coalesce(made.booked_amount, 0) as numeric(18, 2)) as booked_amount,
    coalesce(returned.seats_returned, 0) as seats_returned,
    cast(coalesce(returned.returned_amount, 0) as numeric(18, 2)) as returned_amount,
    days.sales_date < {{ today() }} as is_whole_day
from days
left join made on made.sales_date = days.sales_date
left join returned on returned.sales_date = days.sales_date

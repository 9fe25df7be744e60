-- Wrong if this returns a row: the days' revenue does not sum to the window's, or the window's is not the sum of its segments' amounts.
select *
from (
    select
        sum(revenue) as revenue_by_day,
        max(revenue_30d) as revenue_30d
    from {{ ref('v_passenger_metrics_30d') }}
) as reported
cross join (
    select coalesce(sum({{ plausible_amount('segments.amount') }}), 0) as segment_amounts
    from {{ ref('current_ticket_flights') }} as segments
    where
        segments.flight_id in (
            select flights.flight_id
            from {{ ref('current_flights') }} as flights
            where
                flights.status <> 'Cancelled'
                and {{ in_window('flights.scheduled_departure') }}
        )
        and segments.ticket_no in (select tickets.ticket_no from {{ ref('current_tickets') }} as tickets
where tickets.passenger_id is not null)
) as counted
where revenue_by_day <> segment_amounts or revenue_30d <> segment_amounts

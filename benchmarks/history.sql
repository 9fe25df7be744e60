-- Change events of a booking system as Debezium writes them, made by the server itself: millions of them in
-- seconds. Every 20 events: a booking of three tickets and five segments, four boarding passes, and seven changes
-- of older rows anywhere in the history. Four events a transaction.
create schema if not exists bench;

create or replace function bench.envelope(
    table_name text, op text, before jsonb, after jsonb, seq bigint, table_order bigint
) returns jsonb language sql immutable as $$
    select jsonb_build_object(
        'before', before,
        'after', after,
        'source', jsonb_build_object(
            'version', '3.7.0.Final', 'connector', 'postgresql', 'name', 'airline', 'db', 'airline_tickets',
            'ts_ms', 1770000000000 + seq / 4, 'ts_us', 1770000000000000 + seq / 4 * 1000,
            'ts_ns', 1770000000000000000 + seq / 4 * 1000000, 'snapshot', 'false', 'schema', 'public',
            'sequence', '["' || (20000000 + seq * 56) || '","' || (20000000 + seq * 56) || '"]',
            'table', table_name, 'txId', 1000 + seq / 4, 'lsn', 20000000 + seq * 56, 'xmin', null,
            'origin', null, 'origin_lsn', null
        ),
        'transaction', jsonb_build_object(
            'id', (1000 + seq / 4) || ':' || (20000000 + seq * 56),
            'total_order', seq % 4 + 1, 'data_collection_order', table_order
        ),
        'op', op,
        'ts_ms', 1770000000000 + seq / 4, 'ts_us', 1770000000000000 + seq / 4 * 1000,
        'ts_ns', 1770000000000000000 + seq / 4 * 1000000
    )
$$;

create or replace function bench.flight(number bigint, seq bigint) returns jsonb language sql immutable as $$
    select jsonb_build_object(
        'flight_id', number,
        'flight_no', 'PG' || lpad((number % 500)::text, 4, '0'),
        'scheduled_departure', to_char(timestamp '2026-01-01' + interval '1 hour' * (number % 2000), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'scheduled_arrival', to_char(timestamp '2026-01-01 02:00' + interval '1 hour' * (number % 2000), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'departure_airport', 'A' || lpad((number % 70)::text, 2, '0'),
        'arrival_airport', 'A' || lpad((number * 13 % 70 + 1)::text, 2, '0'),
        'status', case when seq % 3 = 0 then 'Arrived' else 'Departed' end,
        'aircraft_code', '32' || number % 9,
        'actual_departure', to_char(timestamp '2026-01-01 00:05' + interval '1 hour' * (number % 2000) + interval '1 second' * (seq % 900), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'actual_arrival', to_char(timestamp '2026-01-01 02:20' + interval '1 hour' * (number % 2000), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )
$$;

-- The events from `first` on, as (table, op, key, row after the change).
create or replace function bench.change(first bigint, events bigint)
returns table (seq bigint, table_name text, op text, key jsonb, after jsonb) language sql stable as $$
    with numbered as (
        select
            seq,
            seq % 20 as place,
            seq / 20 * 20 as base,
            -- an older booking, anywhere in the history before `first`
            hashint8extended(seq, 7) as random
        from generate_series(first, first + events - 1) as seq
    ),

    aimed as (
        select
            numbered.*,
            abs(random) % greatest(first / 20, 1) * 20 as old,
            case
                when place between 4 and 8 then seq
                when place between 9 and 12 then seq - 5
                else abs(random) % greatest(first / 20, 1) * 20 + 4 + abs(random) % 5
            end as segment
        from numbered
    ),

    named as (
        select
            aimed.*,
            'B' || lpad(upper(to_hex(base / 20)), 7, '0') as book_ref,
            lpad((case when place between 1 and 3 then seq else old + 1 + abs(random) % 3 end)::text, 13, '0')
                as ticket_no,
            lpad((segment / 20 * 20 + 1 + segment % 3)::text, 13, '0') as segment_ticket,
            segment * 7919 % 5000 as segment_flight
        from aimed
    )

    select
        seq,
        case
            when place in (0, 17) then 'bookings'
            when place <= 3 or place = 18 then 'tickets'
            when place <= 8 or place in (15, 16, 19) then 'ticket_flights'
            when place <= 12 then 'boarding_passes'
            else 'flights'
        end,
        case when place = 19 then 'd' when place > 12 then 'u' else 'c' end,
        case
            when place = 0 then jsonb_build_object('book_ref', book_ref)
            when place = 17 then jsonb_build_object('book_ref', 'B' || lpad(upper(to_hex(old / 20)), 7, '0'))
            when place <= 3 or place = 18 then jsonb_build_object('ticket_no', ticket_no)
            when place in (13, 14) then jsonb_build_object('flight_id', abs(random) % 5000)
            else jsonb_build_object('ticket_no', segment_ticket, 'flight_id', segment_flight)
        end,
        case
            when place in (0, 17) then jsonb_build_object(
                'book_ref', case place when 0 then book_ref else 'B' || lpad(upper(to_hex(old / 20)), 7, '0') end,
                'book_date', '2026-02-01T10:20:30.123456Z',
                'total_amount', (10000 + seq % 50000)::text || '.00'
            )
            when place <= 3 or place = 18 then jsonb_build_object(
                'ticket_no', ticket_no,
                'book_ref', 'B' || lpad(upper(to_hex(ticket_no::bigint / 20)), 7, '0'),
                'passenger_id', 'RU ' || ticket_no::bigint % 40009,
                'passenger_name', case place when 18 then 'Renamed ' || seq else 'Passenger Name' end,
                'contact_data', '{"email": "someone@example.org", "phone": "+70001112233"}'
            )
            when place = 19 then null
            when place <= 8 or place in (15, 16) then jsonb_build_object(
                'ticket_no', segment_ticket, 'flight_id', segment_flight, 'fare_conditions', 'Economy',
                'amount', (1000 + seq % 9000)::text || '.00'
            )
            when place <= 12 then jsonb_build_object(
                'ticket_no', segment_ticket, 'flight_id', segment_flight, 'seat_no', seq % 40 || 'A',
                'boarding_no', seq % 200
            )
            else bench.flight(abs(random) % 5000, seq)
        end
    from named
$$;

-- Lands `events` events from `first` on, as the ingester does: raw rows, then the offsets.
create or replace procedure bench.land(first bigint, amount bigint) language plpgsql as $$
declare
    target text;
begin
    create temporary table made on commit drop as
    select
        change.*,
        row_number() over (partition by change.seq / 4, change.table_name order by change.seq) as table_order
    from bench.change(first, amount) as change;

    foreach target in array array['bookings', 'tickets', 'ticket_flights', 'boarding_passes', 'flights'] loop
        execute format(
            $insert$
            insert into staging.%1$I (kafka_partition, kafka_offset, kafka_timestamp, key, value)
            select
                0,
                coalesce((
                    select next_offset from staging.ingest_offset where topic = 'airline.public.%1$s'
                ), 0) + row_number() over (order by seq, is_tombstone) - 1,
                now(),
                key,
                case when not is_tombstone then bench.envelope(
                    '%1$s', op, case op when 'd' then key end, after, seq, table_order
                ) end
            from made
            cross join lateral (
                select false as is_tombstone union all select true where op = 'd'
            ) as messages
            where table_name = '%1$s'
            order by 2
            $insert$,
            target
        );
    end loop;

    insert into staging.transaction (kafka_partition, kafka_offset, kafka_timestamp, key, value)
    select
        0,
        coalesce((select next_offset from staging.ingest_offset where topic = 'airline.transaction'), 0)
        + row_number() over (order by transaction_id, status) - 1,
        now(),
        jsonb_build_object('id', transaction_id),
        jsonb_build_object(
            'status', status, 'id', transaction_id || ':' || lsn, 'ts_ms', 1770000000000,
            'event_count', events, 'data_collections', collections
        )
    from (
        select
            transaction_id,
            status,
            sum(events) as events,
            max(lsn) as lsn,
            case status when 'END' then
                jsonb_agg(jsonb_build_object('data_collection', 'public.' || table_name, 'event_count', events))
            end as collections
        from (
            select 1000 + seq / 4 as transaction_id, table_name, count(*) as events, max(20000001 + seq * 56) as lsn
            from made
            group by 1, 2
        ) as counted
        cross join (values ('BEGIN'), ('END')) as marks (status)
        group by transaction_id, status
    ) as transactions;

    foreach target in array array['bookings', 'tickets', 'ticket_flights', 'boarding_passes', 'flights', 'transaction'] loop
        execute format(
            $position$
            insert into staging.ingest_offset (topic, kafka_partition, next_offset)
            select %1$L, 0, max(kafka_offset) + 1 from staging.%2$I having max(kafka_offset) is not null
            on conflict (topic, kafka_partition) do update set next_offset = excluded.next_offset
            $position$,
            case target when 'transaction' then 'airline.' else 'airline.public.' end || target,
            target
        );
    end loop;
end
$$;

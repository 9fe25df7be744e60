-- The schemas staging and dwh_control as the commit bc4aa99 made them, before versions were noted: pg_dump --schema-only of
-- a warehouse that its ./airline up, ingester and first load had made.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA dwh_control;
ALTER SCHEMA dwh_control OWNER TO airline_dbt;
CREATE SCHEMA staging;
ALTER SCHEMA staging OWNER TO airline_ingest;
CREATE FUNCTION dwh_control.newest_mart_row() RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    newest timestamptz;
    found_here timestamptz;
    place record;
begin
    for place in
        select table_name, column_name from information_schema.columns
        where
            table_schema = 'presentation'
            and data_type = 'timestamp with time zone'
            and column_name in ('built_at', 'loaded_at', 'updated_at', 'load_date', 'created_at')
    loop
        execute format('select max(%I) from presentation.%I', place.column_name, place.table_name)
        into found_here;
        newest := greatest(newest, found_here);
    end loop;
    return newest;
end
$$;
ALTER FUNCTION dwh_control.newest_mart_row() OWNER TO airline_dbt;
CREATE FUNCTION dwh_control.oldest_unread_event() RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    oldest timestamptz;
    found_here timestamptz;
    place record;
begin
    for place in
        select topic, kafka_partition from staging.ingest_offset
        where split_part(topic, '.', 2) = 'public'
    loop
        execute format(
            'select landed_at from staging.%I where kafka_partition = $2 and kafka_offset >= coalesce(('
            '  select to_offset from dwh_control.load_batch_range'
            '  where topic = $1 and kafka_partition = $2 and load_batch_id = ('
            '    select max(load_batch_id) from dwh_control.load_batch where outcome = ''loaded'')'
            '), 0) order by kafka_offset limit 1',
            split_part(place.topic, '.', 3)
        )
        into found_here using place.topic, place.kafka_partition;
        oldest := least(oldest, found_here);
    end loop;
    return oldest;
end
$_$;
ALTER FUNCTION dwh_control.oldest_unread_event() OWNER TO airline_dbt;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE dwh_control.load_batch (
    load_batch_id bigint NOT NULL,
    is_full_refresh boolean NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    closed_at timestamp with time zone,
    outcome text,
    CONSTRAINT load_batch_check CHECK (((closed_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT load_batch_outcome_check CHECK ((outcome = ANY (ARRAY['loaded'::text, 'superseded'::text])))
);
ALTER TABLE dwh_control.load_batch OWNER TO airline_dbt;
COMMENT ON TABLE dwh_control.load_batch IS 'One row per load batch: the cut of the landed change events that one load of the vault reads. At most one is open.';
COMMENT ON COLUMN dwh_control.load_batch.outcome IS 'loaded: every vault model succeeded; superseded: a full refresh took its place; null: open.';
CREATE TABLE dwh_control.load_batch_range (
    load_batch_id bigint NOT NULL,
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    from_load_date timestamp with time zone,
    to_load_date timestamp with time zone,
    CONSTRAINT load_batch_range_check CHECK ((to_offset >= from_offset))
);
ALTER TABLE dwh_control.load_batch_range OWNER TO airline_dbt;
COMMENT ON TABLE dwh_control.load_batch_range IS 'One row per load batch, topic and partition: the half-open range of Kafka offsets that the batch reads.';
COMMENT ON COLUMN dwh_control.load_batch_range.from_load_date IS 'Newest load date of the partition before this batch: load dates go on strictly after it.';
CREATE TABLE dwh_control.landed_lsn (
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    chunk bigint NOT NULL,
    min_lsn bigint NOT NULL,
    max_lsn bigint NOT NULL
);
ALTER TABLE dwh_control.landed_lsn OWNER TO airline_dbt;
COMMENT ON TABLE dwh_control.landed_lsn IS 'One row per topic, partition and 1000 offsets: the positions in the source''s log of the events there. Tells where an event that comes again would have come before.';
ALTER TABLE dwh_control.load_batch ALTER COLUMN load_batch_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME dwh_control.load_batch_load_batch_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE dwh_control.load_batch_run (
    invocation_id text NOT NULL,
    load_batch_id bigint NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE dwh_control.load_batch_run OWNER TO airline_dbt;
COMMENT ON TABLE dwh_control.load_batch_run IS 'One row per dbt invocation that loads: the batch it works on.';
CREATE TABLE dwh_control.repeated_event (
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL
);
ALTER TABLE dwh_control.repeated_event OWNER TO airline_dbt;
COMMENT ON TABLE dwh_control.repeated_event IS 'One row per landed event that repeats an earlier one (same transaction, same place in it). Loads leave them out.';
CREATE TABLE dwh_control.restored_image (
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    row_image jsonb NOT NULL
);
ALTER TABLE dwh_control.restored_image OWNER TO airline_dbt;
COMMENT ON TABLE dwh_control.restored_image IS 'One row per event of the newest batch that came without a long, unchanged value: its row with the previous value in place.';
CREATE TABLE staging.aircrafts (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.aircrafts OWNER TO airline_ingest;
COMMENT ON TABLE staging.aircrafts IS 'Change events of the topic that ends in aircrafts, as they came from Kafka.';
COMMENT ON COLUMN staging.aircrafts.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.aircrafts.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.aircrafts.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.aircrafts.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.aircrafts.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.aircrafts.landed_at IS 'When the event''s flush began';
CREATE TABLE staging.airports (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.airports OWNER TO airline_ingest;
COMMENT ON TABLE staging.airports IS 'Change events of the topic that ends in airports, as they came from Kafka.';
COMMENT ON COLUMN staging.airports.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.airports.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.airports.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.airports.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.airports.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.airports.landed_at IS 'When the event''s flush began';
CREATE TABLE staging.boarding_passes (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.boarding_passes OWNER TO airline_ingest;
COMMENT ON TABLE staging.boarding_passes IS 'Change events of the topic that ends in boarding_passes, as they came from Kafka.';
COMMENT ON COLUMN staging.boarding_passes.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.boarding_passes.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.boarding_passes.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.boarding_passes.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.boarding_passes.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.boarding_passes.landed_at IS 'When the event''s flush began';
CREATE TABLE staging.bookings (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.bookings OWNER TO airline_ingest;
COMMENT ON TABLE staging.bookings IS 'Change events of the topic that ends in bookings, as they came from Kafka.';
COMMENT ON COLUMN staging.bookings.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.bookings.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.bookings.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.bookings.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.bookings.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.bookings.landed_at IS 'When the event''s flush began';
CREATE TABLE staging.flights (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.flights OWNER TO airline_ingest;
COMMENT ON TABLE staging.flights IS 'Change events of the topic that ends in flights, as they came from Kafka.';
COMMENT ON COLUMN staging.flights.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.flights.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.flights.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.flights.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.flights.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.flights.landed_at IS 'When the event''s flush began';
CREATE TABLE staging.seats (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.seats OWNER TO airline_ingest;
COMMENT ON TABLE staging.seats IS 'Change events of the topic that ends in seats, as they came from Kafka.';
COMMENT ON COLUMN staging.seats.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.seats.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.seats.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.seats.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.seats.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.seats.landed_at IS 'When the event''s flush began';
CREATE TABLE staging.ticket_flights (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.ticket_flights OWNER TO airline_ingest;
COMMENT ON TABLE staging.ticket_flights IS 'Change events of the topic that ends in ticket_flights, as they came from Kafka.';
COMMENT ON COLUMN staging.ticket_flights.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.ticket_flights.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.ticket_flights.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.ticket_flights.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.ticket_flights.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.ticket_flights.landed_at IS 'When the event''s flush began';
CREATE TABLE staging.tickets (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.tickets OWNER TO airline_ingest;
COMMENT ON TABLE staging.tickets IS 'Change events of the topic that ends in tickets, as they came from Kafka.';
COMMENT ON COLUMN staging.tickets.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.tickets.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.tickets.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.tickets.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.tickets.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.tickets.landed_at IS 'When the event''s flush began';
CREATE TABLE staging.dead_letter (
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key bytea,
    value bytea,
    error text NOT NULL,
    landed_at timestamp with time zone DEFAULT now() NOT NULL,
    resolution text,
    resolved_at timestamp with time zone,
    CONSTRAINT dead_letter_resolution_check CHECK ((resolution = ANY (ARRAY['replayed'::text, 'edited'::text, 'discarded'::text])))
);
ALTER TABLE staging.dead_letter OWNER TO airline_ingest;
COMMENT ON TABLE staging.dead_letter IS 'Events that jsonb refuses, as the bytes that came from Kafka. Their neighbours landed. See ./airline dead-letters.';
COMMENT ON COLUMN staging.dead_letter.topic IS 'Kafka topic';
COMMENT ON COLUMN staging.dead_letter.kafka_partition IS 'Partition of the topic';
COMMENT ON COLUMN staging.dead_letter.kafka_offset IS 'Offset in that partition';
COMMENT ON COLUMN staging.dead_letter.kafka_timestamp IS 'Timestamp of the Kafka record';
COMMENT ON COLUMN staging.dead_letter.key IS 'The record''s key';
COMMENT ON COLUMN staging.dead_letter.value IS 'The record''s value';
COMMENT ON COLUMN staging.dead_letter.error IS 'What PostgreSQL said';
COMMENT ON COLUMN staging.dead_letter.landed_at IS 'When it was put here';
COMMENT ON COLUMN staging.dead_letter.resolution IS 'What a person decided: replayed or edited events are in their staging table since, discarded ones never will be. Null: nothing yet';
COMMENT ON COLUMN staging.dead_letter.resolved_at IS 'When that was';
CREATE TABLE staging.ingest_offset (
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    next_offset bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    topic_id uuid
);
ALTER TABLE staging.ingest_offset OWNER TO airline_ingest;
COMMENT ON TABLE staging.ingest_offset IS 'The next event to land, per topic and partition. Written in the transaction that lands the events before it, only by compare-and-set: the source of exactly-once.';
COMMENT ON COLUMN staging.ingest_offset.topic IS 'Kafka topic';
COMMENT ON COLUMN staging.ingest_offset.kafka_partition IS 'Partition of the topic';
COMMENT ON COLUMN staging.ingest_offset.next_offset IS 'Offset of the first event not landed yet';
COMMENT ON COLUMN staging.ingest_offset.updated_at IS 'When it last moved';
COMMENT ON COLUMN staging.ingest_offset.topic_id IS 'Kafka''s id of the topic that the offset is one of: a topic that was deleted and created again has another. Null until events of it land';
CREATE TABLE staging.transaction (
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kafka_timestamp timestamp with time zone,
    key jsonb,
    value jsonb,
    landed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE staging.transaction OWNER TO airline_ingest;
COMMENT ON TABLE staging.transaction IS 'Change events of the topic that ends in transaction, as they came from Kafka.';
COMMENT ON COLUMN staging.transaction.kafka_partition IS 'Partition of the topic the event was read from';
COMMENT ON COLUMN staging.transaction.kafka_offset IS 'Offset in that partition; the order of changes. Has gaps: transaction markers and dead letters take offsets too';
COMMENT ON COLUMN staging.transaction.kafka_timestamp IS 'When Debezium produced the event; null if it carries no time';
COMMENT ON COLUMN staging.transaction.key IS 'Primary key of the changed row; null for TRUNCATE, which has none';
COMMENT ON COLUMN staging.transaction.value IS 'Debezium''s change event, unchanged; null for a tombstone';
COMMENT ON COLUMN staging.transaction.landed_at IS 'When the event''s flush began';
ALTER TABLE ONLY dwh_control.landed_lsn
    ADD CONSTRAINT landed_lsn_pkey PRIMARY KEY (topic, kafka_partition, chunk);
ALTER TABLE ONLY dwh_control.load_batch
    ADD CONSTRAINT load_batch_pkey PRIMARY KEY (load_batch_id);
ALTER TABLE ONLY dwh_control.load_batch_range
    ADD CONSTRAINT load_batch_range_pkey PRIMARY KEY (load_batch_id, topic, kafka_partition);
ALTER TABLE ONLY dwh_control.load_batch_run
    ADD CONSTRAINT load_batch_run_pkey PRIMARY KEY (invocation_id);
ALTER TABLE ONLY dwh_control.repeated_event
    ADD CONSTRAINT repeated_event_pkey PRIMARY KEY (topic, kafka_partition, kafka_offset);
ALTER TABLE ONLY dwh_control.restored_image
    ADD CONSTRAINT restored_image_pkey PRIMARY KEY (topic, kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.aircrafts
    ADD CONSTRAINT aircrafts_pkey PRIMARY KEY (kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.airports
    ADD CONSTRAINT airports_pkey PRIMARY KEY (kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.boarding_passes
    ADD CONSTRAINT boarding_passes_pkey PRIMARY KEY (kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.bookings
    ADD CONSTRAINT bookings_pkey PRIMARY KEY (kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.dead_letter
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (topic, kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.flights
    ADD CONSTRAINT flights_pkey PRIMARY KEY (kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.ingest_offset
    ADD CONSTRAINT ingest_offset_pkey PRIMARY KEY (topic, kafka_partition);
ALTER TABLE ONLY staging.seats
    ADD CONSTRAINT seats_pkey PRIMARY KEY (kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.ticket_flights
    ADD CONSTRAINT ticket_flights_pkey PRIMARY KEY (kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.tickets
    ADD CONSTRAINT tickets_pkey PRIMARY KEY (kafka_partition, kafka_offset);
ALTER TABLE ONLY staging.transaction
    ADD CONSTRAINT transaction_pkey PRIMARY KEY (kafka_partition, kafka_offset);
CREATE UNIQUE INDEX load_batch_one_open ON dwh_control.load_batch USING btree ((true)) WHERE (closed_at IS NULL);
ALTER TABLE ONLY dwh_control.load_batch_range
    ADD CONSTRAINT load_batch_range_load_batch_id_fkey FOREIGN KEY (load_batch_id) REFERENCES dwh_control.load_batch(load_batch_id);
ALTER TABLE ONLY dwh_control.load_batch_run
    ADD CONSTRAINT load_batch_run_load_batch_id_fkey FOREIGN KEY (load_batch_id) REFERENCES dwh_control.load_batch(load_batch_id);
GRANT USAGE ON SCHEMA dwh_control TO airline_monitor;
GRANT USAGE ON SCHEMA staging TO airline_dbt;
GRANT USAGE ON SCHEMA staging TO airline_monitor;
REVOKE ALL ON FUNCTION dwh_control.newest_mart_row() FROM PUBLIC;
GRANT ALL ON FUNCTION dwh_control.newest_mart_row() TO airline_monitor;
REVOKE ALL ON FUNCTION dwh_control.oldest_unread_event() FROM PUBLIC;
GRANT ALL ON FUNCTION dwh_control.oldest_unread_event() TO airline_monitor;
GRANT SELECT ON TABLE dwh_control.load_batch TO airline_monitor;
GRANT SELECT ON TABLE dwh_control.load_batch_range TO airline_monitor;
GRANT SELECT ON TABLE dwh_control.landed_lsn TO airline_monitor;
GRANT SELECT ON TABLE dwh_control.load_batch_run TO airline_monitor;
GRANT SELECT ON TABLE dwh_control.repeated_event TO airline_monitor;
GRANT SELECT ON TABLE dwh_control.restored_image TO airline_monitor;
GRANT SELECT ON TABLE staging.aircrafts TO airline_dbt;
GRANT SELECT ON TABLE staging.airports TO airline_dbt;
GRANT SELECT ON TABLE staging.boarding_passes TO airline_dbt;
GRANT SELECT ON TABLE staging.bookings TO airline_dbt;
GRANT SELECT ON TABLE staging.flights TO airline_dbt;
GRANT SELECT ON TABLE staging.seats TO airline_dbt;
GRANT SELECT ON TABLE staging.ticket_flights TO airline_dbt;
GRANT SELECT ON TABLE staging.tickets TO airline_dbt;
GRANT SELECT ON TABLE staging.dead_letter TO airline_dbt;
GRANT SELECT(topic) ON TABLE staging.dead_letter TO airline_monitor;
GRANT SELECT(kafka_partition) ON TABLE staging.dead_letter TO airline_monitor;
GRANT SELECT(kafka_offset) ON TABLE staging.dead_letter TO airline_monitor;
GRANT SELECT(resolution) ON TABLE staging.dead_letter TO airline_monitor;
GRANT SELECT(resolved_at) ON TABLE staging.dead_letter TO airline_monitor;
GRANT SELECT ON TABLE staging.ingest_offset TO airline_dbt;
GRANT SELECT ON TABLE staging.ingest_offset TO airline_monitor;
GRANT SELECT ON TABLE staging.transaction TO airline_dbt;
ALTER DEFAULT PRIVILEGES FOR ROLE airline_dbt IN SCHEMA dwh_control GRANT SELECT ON TABLES TO airline_monitor;
ALTER DEFAULT PRIVILEGES FOR ROLE airline_ingest IN SCHEMA staging GRANT SELECT ON TABLES TO airline_dbt;

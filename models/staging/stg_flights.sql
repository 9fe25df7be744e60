with changes as (
    {{ cdc_changes('flights') | indent(4) }}
),

renamed as (
    select
        -- ids
        {{ event_value('flight_id', 'bigint') }} as flight_id,
        {{ event_value('departure_airport') }} as departure_airport,
        {{ event_value('arrival_airport') }} as arrival_airport,
        {{ event_value('aircraft_code') }} as aircraft_code,

        -- strings
        {{ event_value('flight_no') }} as flight_no,
        {{ event_value('status') }} as status,

        -- timestamps
        {{ event_timestamp('scheduled_departure') }} as scheduled_departure,
        {{ event_timestamp('scheduled_arrival') }} as scheduled_arrival,
        {{ event_timestamp('actual_departure') }} as actual_departure,
        {{ event_timestamp('actual_arrival') }} as actual_arrival,

        -- what hash keys are made of
        {{ reference_key(event_value('departure_airport')) | indent(8) }} as departure_airport_business_key,
        {{ reference_key(event_value('arrival_airport')) | indent(8) }} as arrival_airport_business_key,
        {{ reference_key(event_value('aircraft_code')) | indent(8) }} as aircraft_code_business_key,

        -- what a hash difference is made of
        {{ exact_image(['flight_no', 'status', 'scheduled_departure', 'scheduled_arrival', 'actual_departure', 'actual_arrival', 'departure_airport', 'arrival_airport', 'aircraft_code']) }} as flight_details_image,

        -- change
        kafka_partition,
        kafka_offset,
        source_lsn,
        is_deleted,
        is_truncated,
        load_date
    from changes
)

select * from renamed

-- Traffic of each airport, also of those without any. A cancelled flight is no traffic; a passenger
-- is a segment, so a flight without any still counts as a flight.
CREATE OR REPLACE VIEW airport_traffic AS
WITH carried AS (
    SELECT f.flight_id, f.departure_airport, f.arrival_airport, count(tf.ticket_no) AS passengers
    FROM flights AS f
    LEFT JOIN ticket_flights AS tf ON tf.flight_id = f.flight_id
    WHERE f.status <> 'Cancelled'
    GROUP BY f.flight_id
),
departures AS (
    SELECT departure_airport AS airport_code, count(*) AS flights, sum(passengers)::bigint AS passengers
    FROM carried
    GROUP BY departure_airport
),
arrivals AS (
    SELECT arrival_airport AS airport_code, count(*) AS flights, sum(passengers)::bigint AS passengers
    FROM carried
    GROUP BY arrival_airport
)
SELECT
    a.airport_code,
    coalesce(d.flights, 0)    AS departure_flights_num,
    coalesce(d.passengers, 0) AS departure_psngr_num,
    coalesce(r.flights, 0)    AS arrival_flights_num,
    coalesce(r.passengers, 0) AS arrival_psngr_num
FROM airports AS a
LEFT JOIN departures AS d ON d.airport_code = a.airport_code
LEFT JOIN arrivals AS r ON r.airport_code = a.airport_code;

COMMENT ON VIEW airport_traffic IS
    'One row per airport: flights not cancelled, and segments on them, departing and arriving';

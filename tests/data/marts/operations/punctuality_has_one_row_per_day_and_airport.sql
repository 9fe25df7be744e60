-- Wrong if this returns a row: a day and airport of departure has several rows.
select flight_date, departure_airport
from {{ ref('flight_punctuality') }}
group by flight_date, departure_airport
having count(*) > 1

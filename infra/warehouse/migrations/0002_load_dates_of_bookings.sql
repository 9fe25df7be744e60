-- The bookings of the last days are found by the load date of their newest version (standing_bookings): new vaults have
-- this index from dbt, and without it each look at the sales reads all bookings that there ever were.
do $migrate$
begin
    if to_regclass('dwh_detailed.sat_booking_details') is not null then
        create index if not exists sat_booking_details_by_load_date
        on dwh_detailed.sat_booking_details using brin (load_date);
    end if;
end
$migrate$;

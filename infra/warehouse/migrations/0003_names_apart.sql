-- Names and documents of frequent flyers are in a schema of their own (presentation_pii), which few roles read; the table moves
-- there, with what people built on it, and dbt makes a view in its place that shows pseudonyms to all others.
do $migrate$
begin
    if to_regclass('presentation.frequent_flyers') is null
        or (select relkind from pg_class where oid = to_regclass('presentation.frequent_flyers')) <> 'r'
    then
        return;
    end if;

    alter table presentation.frequent_flyers set schema presentation_pii;
    alter table presentation_pii.frequent_flyers rename to frequent_flyers_personal;
    -- The next build fills it.
    alter table presentation_pii.frequent_flyers_personal add pseudonym text;

    if to_regprocedure('presentation.frequent_flyers_as_of(timestamptz)') is not null then
        alter function presentation.frequent_flyers_as_of(timestamptz) set schema presentation_pii;
        alter function presentation_pii.frequent_flyers_as_of(timestamptz) rename to frequent_flyers_personal_as_of;
    end if;
end
$migrate$;

-- What identifies a person stands in one book (staging_pii), and everywhere else a token: raw, vault and what is kept of them are
-- written anew, which infra/warehouse/tokens.py does in the same transaction, for this server does not know the key.
do $migrate$
begin
    -- Rows of the newest batch alone: the next load makes it again.
    drop table if exists dwh_stage.vst_tickets cascade;
    if to_regclass('dwh_control.restored_image') is not null then
        truncate dwh_control.restored_image;
    end if;
    -- And a year of flights, by the next build.
    if to_regclass('presentation_pii.frequent_flyers_personal') is not null then
        truncate presentation_pii.frequent_flyers_personal;
    end if;
end
$migrate$;

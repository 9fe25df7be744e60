-- Positions say what the log before them was like, so that an ingester sees a log that lost events or is another one; and
-- a dead letter says what a person decided. Stacks made before versions were noted may lack these columns.
do $migrate$
begin
    if to_regclass('staging.ingest_offset') is not null then
        alter table staging.ingest_offset
        add if not exists topic_id uuid,
        add if not exists leader_epoch integer,
        add if not exists last_offset bigint,
        add if not exists last_timestamp bigint,
        add if not exists last_checksum bytea,
        add if not exists refusal text;

        comment on column staging.ingest_offset.topic_id is
        'Kafka''s id of the topic that the offset is one of: a topic that was deleted and created again has another. Null until events of it land';
        comment on column staging.ingest_offset.leader_epoch is
        'Kafka''s number of the leader that the log before next_offset was read from: the broker knows where each one''s log ended. Null: stored by an earlier version or a person';
        comment on column staging.ingest_offset.last_offset is 'Offset of the newest event that landed';
        comment on column staging.ingest_offset.last_timestamp is
        'Its timestamp in Kafka, in milliseconds since 1970';
        comment on column staging.ingest_offset.last_checksum is
        'BLAKE2b (8 bytes) of its key and value, as bytes: read again at each start, it shows that the log is the same one';
        comment on column staging.ingest_offset.refusal is
        'Why nothing of the partition is landed until somebody repairs it; null if well. Kafka lost events, or the topic is another one';
    end if;

    if to_regclass('staging.dead_letter') is not null then
        alter table staging.dead_letter
        add if not exists resolution text check (resolution in ('replayed', 'edited', 'discarded')),
        add if not exists resolved_at timestamptz;

        comment on column staging.dead_letter.resolution is
        'What a person decided: replayed or edited events are in their staging table since, discarded ones never will be. Null: nothing yet';
        comment on column staging.dead_letter.resolved_at is 'When that was';
    end if;
end
$migrate$;

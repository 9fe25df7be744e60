{#- Stops a load that would make other hashes than the vault has: no key would be found, and every row would be loaded
    again. See _load_batch__macros.yml. -#}
{% macro check_hashing() %}
    {%- set known = recorded_hashing() -%}
    {%- if flags.FULL_REFRESH and load_batch_is_whole() -%}
        {#- Everything is hashed anew. -#}
        {{ return(none) }}
    {%- endif -%}
    {%- set wanted = hashing_settings() -%}
    {%- if known and not known.is_complete -%}
        {%- set found = "A full refresh that makes every hash anew has begun and not ended, so the vault may hold hashes of two kinds." -%}
        {{ refuse_hashing(found) }}
    {%- elif known and known.sample != hash_sample() -%}
        {%- if known.settings != wanted -%}
            {%- set found = "The vault's hashes were made with " ~ known.settings | tojson ~ ", and now they would be made with " ~ wanted | tojson ~ "." -%}
            {{ refuse_hashing(found, "set these variables back, at the top level of `vars:` in dbt_project.yml") }}
        {%- endif -%}
        {%- set found = "The AutomateDV that is in place (dbt_packages) makes other hashes than the one that made the vault, of the same variables." -%}
        {{ refuse_hashing(found, "put the one of before back") }}
    {%- elif not known -%}
        {%- set table = table_of_other_hashes() -%}
        {%- if table -%}
            {%- set found = "The hashes in " ~ table ~ " were not made with " ~ wanted | tojson ~ ", as they would be now." -%}
            {{ refuse_hashing(found, "set the variables that they were made with, at the top level of `vars:` in dbt_project.yml; AutomateDV's defaults are " ~ hashing_defaults() | tojson) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#- Ends the run: what was found, and what can be done. -#}
{% macro refuse_hashing(found, otherwise=none) %}
    {{ exceptions.raise_compiler_error(
        found ~ " Nothing was loaded. To make all hashes anew from the raw events: dbt run --full-refresh --selector vault."
        ~ ((" Or, to go on with those there are: " ~ otherwise ~ ".") if otherwise else "")
    ) }}
{% endmacro %}


{#- Whether this run builds every table of the vault. -#}
{% macro load_batch_is_whole() %}
    {{ return(load_batch_tables_to_build() | reject('in', selected_resources) | list | length == 0) }}
{% endmacro %}


{#- The variables that determine a hash, with AutomateDV's defaults. -#}
{% macro hashing_defaults() %}
    {{ return({'hash': 'MD5', 'hash_content_casing': 'UPPER', 'concat_string': '||', 'null_placeholder_string': '^^'}) }}
{% endmacro %}


{#- The values of these variables in effect. -#}
{% macro hashing_settings() %}
    {%- set settings = {} -%}
    {%- for name, default in hashing_defaults().items() -%}
        {%- do settings.update({name: var(name, default) | string}) -%}
    {%- endfor -%}
    {%- do settings.update({'hash': 'SHA' if settings.hash | upper == 'SHA' else 'MD5'}) -%}
    {{ return(settings) }}
{% endmacro %}


{#- The hashes of fixed texts by the installed AutomateDV, in hexadecimal: they show any change of the hashing. -#}
{% macro hash_sample() %}
    {%- set hashed = run_query(hash_sample_sql()) -%}
    {{ return(fromjson(hashed.rows[0][0] | string)) }}
{% endmacro %}


{% macro hash_sample_sql() %}
select
    json_build_object(
        'key', encode(hashed.sample_key, 'hex'),
        'keys', encode(hashed.sample_keys, 'hex'),
        'difference', encode(hashed.sample_difference, 'hex'),
        'differences', encode(hashed.sample_differences, 'hex')
    )::text as sample
from (
    select
        {{ automate_dv.hash(columns='words', alias='sample_key') }},
        {{ automate_dv.hash(columns=['words', 'nothing', 'truth'], alias='sample_keys') }},
        {{ automate_dv.hash(columns=['nothing'], alias='sample_difference', is_hashdiff=true) }},
        {{ automate_dv.hash(columns=['words', 'truth', 'nothing', 'number'], alias='sample_differences', is_hashdiff=true) }}
    from (select ' Straße Ёлка '::text as words, null::text as nothing, true as truth, 7 as number) as sample
) as hashed
{% endmacro %}


{#- The row of dwh_control.hashing; none where nothing was loaded since that table exists. -#}
{% macro recorded_hashing() %}
    {%- if adapter.get_relation(target.database, 'dwh_control', 'hashing') is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set found = run_query("select settings::text, sample::text, is_complete from " ~ load_batch_relation('hashing')) -%}
    {%- for row in found.rows -%}
        {{ return({'settings': fromjson(row[0] | string), 'sample': fromjson(row[1] | string), 'is_complete': row[2]}) }}
    {%- endfor -%}
    {{ return(none) }}
{% endmacro %}


{#- For a vault without that record: the name of a table that has a row with another hash than would be made now, or
    none. A status satellite shows algorithm and casing (a boolean's text is lower case), a key of several columns the
    separator. A null placeholder that occurs in no hash makes no difference. -#}
{% macro table_of_other_hashes() %}
    {%- set vault = {} -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and 'raw_vault' in node.fqn -%}
        {%- do vault.update({node.name: adapter.get_relation(node.database, node.schema, node.alias)}) -%}
    {%- endfor -%}
    {%- set hashed = [] -%}
    {%- for name, satellite in vault.items() if satellite and name.startswith('sat_') and name.endswith('_status') -%}
        {%- do hashed.append({
            'table': satellite, 'columns': ['is_deleted'], 'is_hashdiff': true,
            'row': "select is_deleted, hash_diff as stored from " ~ satellite
        }) -%}
    {%- endfor -%}
    {%- if vault.hub_seats -%}
        {%- do hashed.append({
            'table': vault.hub_seats, 'columns': ['aircraft_code', 'seat_no'],
            'row': "select " ~ business_key('aircraft_code') ~ " as aircraft_code, " ~ business_key('seat_no')
                ~ " as seat_no, seat_hash_key as stored from " ~ vault.hub_seats
        }) -%}
    {%- endif -%}
    {%- if vault.link_ticket_flight and vault.hub_tickets and vault.hub_flights -%}
        {%- do hashed.append({
            'table': vault.link_ticket_flight, 'columns': ['ticket_no', 'flight_id'],
            'row': "select " ~ business_key('ticket.ticket_no') ~ " as ticket_no, flight.flight_id, link.ticket_flight_hash_key as stored"
                ~ " from " ~ vault.link_ticket_flight ~ " as link"
                ~ " inner join " ~ vault.hub_tickets ~ " as ticket on link.ticket_hash_key = ticket.ticket_hash_key"
                ~ " inner join " ~ vault.hub_flights ~ " as flight on link.flight_hash_key = flight.flight_hash_key"
        }) -%}
    {%- endif -%}
    {%- if vault.link_ticket_booking and vault.hub_tickets and vault.hub_bookings and vault.hub_passengers -%}
        {%- do hashed.append({
            'table': vault.link_ticket_booking, 'columns': ['ticket_no', 'book_ref', 'passenger_id'],
            'row': "select " ~ business_key('ticket.ticket_no') ~ " as ticket_no, " ~ business_key('booking.book_ref') ~ " as book_ref, "
                ~ business_key('passenger.passenger_id') ~ " as passenger_id, link.ticket_booking_hash_key as stored"
                ~ " from " ~ vault.link_ticket_booking ~ " as link"
                ~ " inner join " ~ vault.hub_tickets ~ " as ticket on link.ticket_hash_key = ticket.ticket_hash_key"
                ~ " inner join " ~ vault.hub_bookings ~ " as booking on link.booking_hash_key = booking.booking_hash_key"
                ~ " inner join " ~ vault.hub_passengers ~ " as passenger on link.passenger_hash_key = passenger.passenger_hash_key"
        }) -%}
    {%- endif -%}
    {%- if vault.link_flight_leg and vault.hub_flights and vault.hub_airports and vault.hub_aircrafts -%}
        {%- do hashed.append({
            'table': vault.link_flight_leg, 'columns': ['flight_id', 'departure_airport', 'arrival_airport', 'aircraft_code'],
            'row': "select flight.flight_id, " ~ business_key('departure.airport_code') ~ " as departure_airport, "
                ~ business_key('arrival.airport_code') ~ " as arrival_airport, "
                ~ business_key('aircraft.aircraft_code') ~ " as aircraft_code, link.flight_leg_hash_key as stored"
                ~ " from " ~ vault.link_flight_leg ~ " as link"
                ~ " inner join " ~ vault.hub_flights ~ " as flight on link.flight_hash_key = flight.flight_hash_key"
                ~ " inner join " ~ vault.hub_airports ~ " as departure on link.departure_airport_hash_key = departure.airport_hash_key"
                ~ " inner join " ~ vault.hub_airports ~ " as arrival on link.arrival_airport_hash_key = arrival.airport_hash_key"
                ~ " inner join " ~ vault.hub_aircrafts ~ " as aircraft on link.aircraft_hash_key = aircraft.aircraft_hash_key"
        }) -%}
    {%- endif -%}
    {%- for each in hashed -%}
        {%- set made = automate_dv.hash(columns=each.columns, alias='made', is_hashdiff=each.is_hashdiff or false) -%}
        {%- set found = run_query(
            "select 1 from (select " ~ made ~ ", one_row.stored from (" ~ each.row ~ " limit 1) as one_row) as compared"
            ~ " where compared.made is distinct from compared.stored"
        ) -%}
        {%- if found.rows | length > 0 -%}
            {{ return(each.table) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(none) }}
{% endmacro %}


{#- Records how the vault's hashes are made: once, and again where a full refresh makes all of them anew. Runs in the
    transaction that opens the batch; batch_id is its id. -#}
{% macro note_hashing() %}
{%- set is_whole_refresh = flags.FULL_REFRESH and load_batch_is_whole() -%}
insert into {{ load_batch_relation('hashing') }} (settings, sample, is_complete, load_batch_id)
select
    '{{ hashing_settings() | tojson | replace("'", "''") }}'::jsonb,
    hashed.sample::jsonb,
    {{ not is_whole_refresh or vault_hashes_stay() }},
    batch_id
from (
    {#- Not indented: for that filter the placeholder is the end of a line. #}
    {{ hash_sample_sql() }}
) as hashed
on conflict (is_current) do {% if is_whole_refresh -%}
update set
    settings = excluded.settings,
    sample = excluded.sample,
    is_complete = excluded.is_complete,
    load_batch_id = excluded.load_batch_id,
    noted_at = excluded.noted_at
{%- else -%}
nothing
{%- endif -%};
{% endmacro %}


{#- Whether the vault's hashes are those that would be made now. -#}
{% macro vault_hashes_stay() %}
    {%- set known = recorded_hashing() -%}
    {%- if known -%}
        {{ return(known.is_complete and known.sample == hash_sample()) }}
    {%- endif -%}
    {{ return(table_of_other_hashes() is none) }}
{% endmacro %}


{% macro create_hashing_table() %}
{%- set hashing = load_batch_relation('hashing') -%}
create table if not exists {{ hashing }} (
    is_current boolean primary key default true check (is_current),
    settings jsonb not null,
    sample jsonb not null,
    is_complete boolean not null,
    load_batch_id bigint not null,
    noted_at timestamptz not null default now()
);
comment on table {{ hashing }} is
'One row: what the hashes of the vault are made of. A load whose hashes would be others is refused.';
comment on column {{ hashing }}.settings is 'The variables that decide the bytes of a hash, as they were in effect.';
comment on column {{ hashing }}.sample is 'Hashes of fixed texts, in hexadecimal: other bytes are another way of hashing.';
comment on column {{ hashing }}.is_complete is 'False while a full refresh makes all hashes anew, load_batch_id being its batch.';
{% endmacro %}

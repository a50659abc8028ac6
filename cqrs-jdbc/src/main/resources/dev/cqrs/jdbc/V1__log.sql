-- The log: its events, the tags by which they are found, and the one function that appends.

create table ${prefix}_schema (
    version    integer     not null primary key,
    applied_at timestamptz not null default now()
);
comment on table ${prefix}_schema is 'The versions of the schema that were applied.';

-- Not a row that is counted up: versions of such a row pile up while any transaction stays open for long (a backup will
-- do), and each append would have to walk past all of them. The head is the last position of the events themselves.
create table ${prefix}_log ();
comment on table ${prefix}_log is 'Holds nothing: locked by whoever appends, until the transaction ends.';

create table ${prefix}_event (
    position    bigint             not null primary key,
    recorded_at timestamptz        not null,
    revision    integer            not null,
    name        text collate "C"   not null,
    tags        text[]             not null,
    metadata    jsonb,
    json        jsonb,
    bytes       bytea
);
create index ${prefix}_event_name on ${prefix}_event (name, position);
comment on table ${prefix}_event is 'The events, without a gap: only appended, never changed.';
comment on column ${prefix}_event.tags is 'Each as key:value.';
comment on column ${prefix}_event.json is 'The payload, unless the store keeps it as bytes.';

-- Events are looked up by name, whatever their revision: one that is newer than the reader knows must reach it, to be
-- refused, and what an earlier one is today only the reader can tell.
create table ${prefix}_tag (
    tag      uuid             not null,
    position bigint           not null,
    name     text collate "C" not null,
    primary key (tag, position)
);
create index ${prefix}_tag_name on ${prefix}_tag (tag, name, position);
comment on table ${prefix}_tag is 'Where the events of a tag stand.';
comment on column ${prefix}_tag.tag is
    'The first 16 bytes of the SHA-256 of key:value in UTF-8: a tag may be longer than an index entry.';

-- Gives the positions behind "from_position", up to "until_position", of events that have all the tags and, if any are
-- given, one of the names. Leaps from tag to tag, so that the rarest of them bounds the work.
create function ${prefix}_common(
    tags uuid[], names text[],
    from_position bigint, until_position bigint, backwards boolean, most bigint)
returns setof bigint
language plpgsql stable
as $$
declare
    at     bigint;
    hit    bigint;
    i      integer := 1;
    agreed integer := 0;
begin
    if from_position >= until_position then -- behind the last of all numbers is none
        return;
    end if;
    at := case when backwards then until_position else from_position + 1 end;
    while most > 0 loop
        if backwards then
            select t.position into hit from ${prefix}_tag t
            where t.tag = tags[i] and t.position <= at and t.position > from_position
            order by t.position desc limit 1;
        else
            select t.position into hit from ${prefix}_tag t
            where t.tag = tags[i] and t.position >= at and t.position <= until_position
            order by t.position limit 1;
        end if;
        exit when hit is null;
        agreed := case when hit = at then agreed + 1 else 1 end;
        at := hit;
        if agreed = cardinality(tags) then
            if names is null or exists (
                select from ${prefix}_event e where e.position = at and e.name = any (names))
            then
                return next at;
                most := most - 1;
            end if;
            at := case when backwards then at - 1 else at + 1 end;
            agreed := 0;
        end if;
        i := i % cardinality(tags) + 1;
    end loop;
end
$$;

-- Says why an append that has to be a transaction of its own cannot be: a snapshot from before the lock proves nothing.
create function ${prefix}_refuse() returns void
language plpgsql stable
as $$
begin
    if pg_current_xact_id_if_assigned() is not null then -- first, as such a transaction is not ours to begin anew
        raise exception 'the connection is in the middle of a transaction that has written' using errcode = 'CQ002';
    end if;
    raise exception 'the isolation is %, expected read committed', current_setting('transaction_isolation')
        using errcode = 'CQ001';
end
$$;

-- Appends what several callers ("members") want appended, one after the other, each under the items of its own condition:
-- all events of a member, or none of them. The events and the items of all stand in rows of arrays; the counts say how
-- many of them are whose.
--
-- The lock comes first. Each statement after it sees all that was committed before, and what this call has written, as
-- the isolation is read committed and the function volatile: that is what makes the checks true and positions ascend in
-- the order of the commits. Called as a statement of its own it is the whole transaction, so that nobody holds the lock
-- while a network is waited for.
--
-- Gives a row for each member, in order: the first of its positions; or the log's head, the clause that does not hold,
-- and a position that it forbids (with name and revision), or null if the clause speaks of a position behind the head.
create function ${prefix}_append(
    own boolean, now_at timestamptz,
    event_counts integer[], item_counts integer[], metadata text[],
    event_names text[], event_revisions integer[], event_tags text[], event_tag_ids text[],
    event_json text[], event_bytes bytea[],
    item_clauses integer[], item_afters bigint[], item_tags text[], item_names text[])
returns table (at_position bigint, failed_clause integer, against bigint, against_name text, against_revision integer)
language plpgsql volatile
as $$
declare
    head     bigint;
    recorded timestamptz;
    appended bigint := 0;
    events   integer := 0;
    items    integer := 0;
    after    bigint;
    tags     uuid[];
    names    text[];
begin
    if own and (current_setting('transaction_isolation') <> 'read committed'
            or pg_current_xact_id_if_assigned() is not null) then
        perform ${prefix}_refuse();
    end if;

    lock table ${prefix}_log in exclusive mode;

    select e.position, e.recorded_at into head, recorded from ${prefix}_event e order by e.position desc limit 1;
    head := coalesce(head, 0);
    recorded := greatest(recorded, now_at);

    for member in 1 .. cardinality(event_counts) loop
        failed_clause := null;
        against := null;
        for i in items + 1 .. items + item_counts[member] loop
            after := item_afters[i];
            continue when after = head;
            if after < head then
                tags := item_tags[i];
                names := item_names[i];
                if names is null and cardinality(tags) = 1 then
                    select t.position into against from ${prefix}_tag t
                    where t.tag = tags[1] and t.position > after
                    order by t.position desc limit 1;
                elsif cardinality(tags) = 1 then
                    select max(found.position) into against
                    from unnest(names) as n (name) cross join lateral (
                        select t.position from ${prefix}_tag t
                        where t.tag = tags[1] and t.name = n.name and t.position > after
                        order by t.position desc limit 1) found;
                elsif tags is not null then
                    select c into against from ${prefix}_common(tags, names, after, head, true, 1) c;
                elsif names is not null then
                    select max(found.position) into against
                    from unnest(names) as n (name) cross join lateral (
                        select e.position from ${prefix}_event e
                        where e.name = n.name and e.position > after
                        order by e.position desc limit 1) found;
                else
                    against := head;
                end if;
                continue when against is null;
            end if;
            failed_clause := item_clauses[i];
            exit;
        end loop;

        if failed_clause is not null then
            at_position := head;
            select e.name, e.revision into against_name, against_revision
            from ${prefix}_event e where e.position = against;
        else
            at_position := head + 1;
            against_name := null;
            against_revision := null;
            for i in events + 1 .. events + event_counts[member] loop
                head := head + 1;
                insert into ${prefix}_event (position, recorded_at, name, revision, tags, metadata, json, bytes)
                values (head, recorded, event_names[i], event_revisions[i], event_tags[i]::text[],
                    metadata[member]::jsonb, event_json[i]::jsonb, event_bytes[i]);
                insert into ${prefix}_tag (tag, position, name)
                select t, head, event_names[i] from unnest(event_tag_ids[i]::uuid[]) t;
            end loop;
            appended := head;
        end if;
        return next;
        events := events + event_counts[member];
        items := items + item_counts[member];
    end loop;

    if appended > 0 then
        perform pg_notify('${prefix}', appended::text);
    end if;
end
$$;

-- Appends one event as a transaction of its own, as ${prefix}_append does, on condition that no event behind "after" has the
-- tag (an array of one) and, if any are given, one of the names; without a tag on no condition. Most appends are such, and
-- without arrays of arrays and loops they are faster.
create function ${prefix}_append_one(
    now_at timestamptz, event_metadata text, event_name text, event_revision integer,
    event_tags text, event_tag_ids text, event_json text, event_bytes bytea,
    condition_tag text, condition_names text, after bigint,
    out at_position bigint, out failed_clause integer,
    out against bigint, out against_name text, out against_revision integer)
language plpgsql volatile
as $$
declare
    recorded timestamptz;
    only_tag uuid := (condition_tag::uuid[])[1];
    names    text[];
begin
    if current_setting('transaction_isolation') <> 'read committed'
            or pg_current_xact_id_if_assigned() is not null then
        perform ${prefix}_refuse();
    end if;

    lock table ${prefix}_log in exclusive mode;

    select e.position, greatest(e.recorded_at, now_at) into at_position, recorded
    from ${prefix}_event e order by e.position desc limit 1;
    if at_position is null then
        at_position := 0;
        recorded := now_at;
    end if;

    if only_tag is not null and after <> at_position then
        if after > at_position then
            failed_clause := 0;
            return;
        end if;
        names := condition_names;
        if names is null then
            select t.position into against from ${prefix}_tag t
            where t.tag = only_tag and t.position > after
            order by t.position desc limit 1;
        else
            select max(found.position) into against
            from unnest(names) as n (name) cross join lateral (
                select t.position from ${prefix}_tag t
                where t.tag = only_tag and t.name = n.name and t.position > after
                order by t.position desc limit 1) found;
        end if;
        if against is not null then
            failed_clause := 0;
            select e.name, e.revision into against_name, against_revision
            from ${prefix}_event e where e.position = against;
            return;
        end if;
    end if;

    at_position := at_position + 1;
    insert into ${prefix}_event (position, recorded_at, name, revision, tags, metadata, json, bytes)
    values (at_position, recorded, event_name, event_revision, event_tags::text[], event_metadata::jsonb,
        event_json::jsonb, event_bytes);
    insert into ${prefix}_tag (tag, position, name)
    select t, at_position, event_name from unnest(event_tag_ids::uuid[]) t;

    perform pg_notify('${prefix}', at_position::text);
end
$$;

insert into ${prefix}_schema (version) values (1);

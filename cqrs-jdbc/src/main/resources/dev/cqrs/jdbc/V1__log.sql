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
    bytes       bytea,
    check ((json is null) <> (bytes is null))
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

-- Appends what several callers ("members", numbered from 1) want appended, each under the items of its own condition:
-- all events of a member, or none of them.
--
-- The lock comes first. Each statement after it sees all that was committed before, as the isolation is read committed
-- and the function volatile: that is what makes the checks true and positions ascend in the order of the commits.
-- Called as a statement of its own it is the whole transaction, so that nobody holds the lock while a network is waited
-- for.
--
-- Gives a row for each member, in order: the first of its positions; or the log's head, the clause that does not hold,
-- and a position that it forbids (with name and revision), or null if the clause speaks of a position behind the head.
create function ${prefix}_append(
    own boolean, now_at timestamptz,
    member_sizes integer[], member_metadata text[],
    event_members integer[], event_offsets integer[], event_names text[], event_revisions integer[],
    event_tags text[], event_tag_ids text[], event_json text[], event_bytes bytea[],
    item_members integer[], item_clauses integer[], item_afters bigint[],
    item_tags text[], item_names text[])
returns table (at_position bigint, failed_clause integer, against bigint, against_name text, against_revision integer)
language plpgsql volatile
as $$
declare
    head     bigint;
    last     bigint;
    recorded timestamptz;
    item     record;
    match    bigint;
    firsts   bigint[];
    failed   integer[];
    matches  bigint[];
begin
    if own then
        if current_setting('transaction_isolation') <> 'read committed' then
            raise exception 'the isolation is %, expected read committed', current_setting('transaction_isolation')
                using errcode = 'CQ001';
        end if;
        if pg_current_xact_id_if_assigned() is not null then
            raise exception 'the connection is in the middle of a transaction that has written' using errcode = 'CQ002';
        end if;
    end if;

    lock table ${prefix}_log in exclusive mode;

    select e.position, e.recorded_at into head, recorded from ${prefix}_event e order by e.position desc limit 1;
    head := coalesce(head, 0);
    recorded := greatest(recorded, now_at);

    for item in
        select i.member, i.clause, i.after, i.tags::uuid[] as tags, i.names::text[] as names
        from unnest(item_members, item_clauses, item_afters, item_tags, item_names)
            as i (member, clause, after, tags, names)
    loop
        continue when item.after = head or failed[item.member] is not null;
        match := null;
        if item.after > head then
            failed[item.member] := item.clause;
        elsif item.tags is null and item.names is null then
            match := head;
        elsif item.tags is null then
            select max(found.position) into match
            from unnest(item.names) as n (name) cross join lateral (
                select e.position from ${prefix}_event e
                where e.name = n.name and e.position > item.after
                order by e.position desc limit 1) found;
        elsif cardinality(item.tags) > 1 then
            select c into match
            from ${prefix}_common(item.tags, item.names, item.after, head, true, 1) c;
        elsif item.names is null then
            select t.position into match from ${prefix}_tag t
            where t.tag = item.tags[1] and t.position > item.after
            order by t.position desc limit 1;
        else
            select max(found.position) into match
            from unnest(item.names) as n (name) cross join lateral (
                select t.position from ${prefix}_tag t
                where t.tag = item.tags[1] and t.name = n.name and t.position > item.after
                order by t.position desc limit 1) found;
        end if;
        if match is not null then
            failed[item.member] := item.clause;
            matches[item.member] := match;
        end if;
    end loop;

    last := head;
    for member in 1 .. cardinality(member_sizes) loop
        if failed[member] is null then
            firsts[member] := last + 1;
            last := last + member_sizes[member];
        end if;
    end loop;

    if last > head then
        with e as materialized (
            select firsts[u.member] + u.ordinal as position, u.*
            from unnest(event_members, event_offsets, event_names, event_revisions, event_tags, event_tag_ids,
                event_json, event_bytes) as u (member, ordinal, name, revision, tags, tag_ids, json, bytes)
            where firsts[u.member] is not null),
        events as (
            insert into ${prefix}_event (position, recorded_at, name, revision, tags, metadata, json, bytes)
            select e.position, recorded, e.name, e.revision, e.tags::text[], member_metadata[e.member]::jsonb,
                e.json::jsonb, e.bytes
            from e)
        insert into ${prefix}_tag (tag, position, name)
        select t, e.position, e.name from e cross join unnest(e.tag_ids::uuid[]) t;

        perform pg_notify('${prefix}', last::text);
    end if;

    for member in 1 .. cardinality(member_sizes) loop
        at_position := coalesce(firsts[member], head);
        failed_clause := failed[member];
        against := matches[member];
        against_name := null;
        against_revision := null;
        if against is not null then
            select e.name, e.revision into against_name, against_revision
            from ${prefix}_event e where e.position = against;
        end if;
        return next;
    end loop;
end
$$;

insert into ${prefix}_schema (version) values (1);

-- How far projections have come, and who may run them.

create table ${prefix}_checkpoint (
    name     text collate "C" not null primary key,
    version  integer          not null,
    position bigint           not null,
    state    bytea            not null
);
comment on table ${prefix}_checkpoint is 'States of views and snapshots, folded up to a position.';

create table ${prefix}_projection (
    name     text collate "C" not null primary key,
    version  integer          not null,
    position bigint           not null
);
comment on table ${prefix}_projection is 'How far the views have come that are kept in tables of the application.';

create table ${prefix}_lease (
    name  text collate "C" not null primary key,
    owner text             not null,
    fence bigint           not null,
    token uuid             not null,
    until timestamptz      not null
);
comment on table ${prefix}_lease is
    'Who owns what, and until when by the clock of this server; rows stay, so that fences keep rising; tokens differ even where a fail-over has made one rise twice.';

insert into ${prefix}_schema (version) values (2);

-- The table of the job users, made on both sides.
create table if not exists users (
    id bigint primary key,
    email text not null,
    name text,
    plan text not null,
    balance numeric(12, 2) not null,
    created_at timestamptz not null
);
create index if not exists users_created_at on users (created_at);

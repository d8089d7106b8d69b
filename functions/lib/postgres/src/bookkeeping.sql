-- What loads write down, in the schema sluice. May be run again: tables of an earlier version get what came later, with
-- 0 or nothing for the runs before.
do $$ begin
    alter table if exists sluice.runs rename column pipeline to job;
exception when undefined_column then null;
end $$;
create table if not exists sluice.runs (
    execution text not null,
    job text not null,
    target text not null,
    started_at timestamptz not null,
    detected_at timestamptz not null,
    committed_at timestamptz not null default clock_timestamp(),
    files bigint not null,
    files_changed bigint not null,
    rows_read bigint not null,
    rows_rejected bigint not null,
    rows_staged bigint not null,
    rows_inserted bigint not null,
    rows_updated bigint not null,
    rows_unchanged bigint not null,
    primary key (execution, detected_at)
);
alter table sluice.runs
    add column if not exists rows_deleted bigint not null default 0,
    add column if not exists rows_ignored bigint not null default 0,
    add column if not exists files_skipped bigint not null default 0,
    add column if not exists files_other_suffix bigint not null default 0,
    add column if not exists files_hidden bigint not null default 0,
    add column if not exists files_bad bigint not null default 0,
    add column if not exists keys_partial bigint not null default 0,
    add column if not exists notes text[] not null default '{}',
    add column if not exists generation text not null default '',
    add column if not exists came_after text,
    add column if not exists status text not null default 'LOADED',
    add column if not exists ended_at timestamptz,
    add column if not exists error text,
    add column if not exists rows_filtered bigint not null default 0;
-- A run that ended without loading is written down by a later one, and is never committed.
alter table sluice.runs alter column committed_at drop not null;
create index if not exists runs_order on sluice.runs (target, detected_at);
comment on table sluice.runs is
    'One row per committed run of a Sluice job, and, without committed_at, per run that ended without. '
    'Rows are written by the loading transaction.';

-- The same as the document loaded.json in the bucket.
create table if not exists sluice.targets (
    target text not null,
    machine text not null,
    job text not null,
    generation text not null,
    detected_at timestamptz not null,
    on_overlap text not null,
    reading text not null,
    selection jsonb not null,
    has_rows boolean not null,
    primary key (target, machine)
);
-- Which table that is, and which one this is. A table that was dropped and made again is another one; where this one is
-- another, too, the database was brought back from a dump, and what lies in it belongs together.
alter table sluice.targets
    add column if not exists table_oid oid,
    add column if not exists record_oid oid,
    -- By on_repeated_file: its files were not compared with one another.
    add column if not exists allows_repeated boolean not null default false;
comment on table sluice.targets is
    'What each Sluice job, by its state machine, has loaded into a table. Rows are written by the loading transaction.';

-- Compared by their bytes, whatever the collation of the table's own key.
create table if not exists sluice.key_ranges (
    target text not null,
    machine text not null,
    file text collate "C" not null,
    detected_at timestamptz not null,
    first_key text collate "C" not null,
    last_key text collate "C" not null,
    primary key (target, machine, file)
);
-- In lower case, as keys are compared; an earlier version wrote them as they are.
update sluice.key_ranges
set first_key = least(lower(first_key), lower(last_key)), last_key = greatest(lower(first_key), lower(last_key))
where lower(first_key) <> first_key or lower(last_key) <> last_key;
comment on table sluice.key_ranges is
    'With on_overlap last_run: from which key to which each file goes that a Sluice job has loaded.';

-- The least that loading needs. May be run again. What it is about comes in by the settings prepare.*, since statements
-- about grants take no bound values.
do $$
declare
    role_name constant text := current_setting('prepare.role');
    schema_name constant text := current_setting('prepare.schema');
    table_name constant text := current_setting('prepare.table');
    may_create constant boolean := current_setting('prepare.create');
    may_delete constant boolean := current_setting('prepare.delete');
begin
    -- What the functions write down of each run is the role's own.
    create schema if not exists sluice;
    execute format('grant usage, create on schema sluice to %I', role_name);
    execute format('grant temporary on database %I to %I', current_database(), role_name);

    execute format('grant usage on schema %I to %I', schema_name, role_name);
    if may_create then
        execute format('grant create on schema %I to %I', schema_name, role_name);
    end if;
    if to_regclass(format('%I.%I', schema_name, table_name)) is not null then
        execute format('grant select, insert, update on table %I.%I to %I', schema_name, table_name, role_name);
        if may_delete then
            execute format('grant delete on table %I.%I to %I', schema_name, table_name, role_name);
        end if;
    end if;
end $$;

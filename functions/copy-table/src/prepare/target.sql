-- What copying needs of its target. May be run again. What it is about comes in by the settings prepare.*, since
-- statements about grants take no bound values.
do $$
declare
    role_name constant text := current_setting('prepare.role');
    schema_name constant text := current_setting('prepare.schema');
    table_name constant text := current_setting('prepare.table');
    may_delete constant boolean := current_setting('prepare.delete');
begin
    execute format('grant connect, temporary on database %I to %I', current_database(), role_name);
    execute format('grant usage on schema %I to %I', schema_name, role_name);
    execute format('grant select, insert, update on table %I.%I to %I', schema_name, table_name, role_name);
    if may_delete then
        execute format('grant delete on table %I.%I to %I', schema_name, table_name, role_name);
    end if;

    -- What the function writes down of each window is the role's own.
    create schema if not exists sluice;
    execute format('grant usage, create on schema sluice to %I', role_name);
end $$;

-- What copying needs of its source. May be run again. What it is about comes in by the settings prepare.*, since
-- statements about grants take no bound values.
do $$
declare
    role_name constant text := current_setting('prepare.role');
    schema_name constant text := current_setting('prepare.schema');
    table_name constant text := current_setting('prepare.table');
    sees_transactions constant boolean := current_setting('prepare.transactions');
begin
    execute format('grant connect on database %I to %I', current_database(), role_name);
    execute format('grant usage on schema %I to %I', schema_name, role_name);
    execute format('grant select on table %I.%I to %I', schema_name, table_name, role_name);
    if sees_transactions then
        -- Else a window would be taken for complete while others' transactions are open.
        execute format('grant pg_read_all_stats to %I', role_name);
    end if;
end $$;

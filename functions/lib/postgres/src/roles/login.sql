-- A role that logs in with IAM, or by the password of its secret. May be run again. What it is about comes in by the
-- settings prepare.*, since statements about roles take no bound values.
do $$
declare
    role_name constant text := current_setting('prepare.role');
    verifier constant text := current_setting('prepare.verifier');
begin
    if not exists (select from pg_roles where rolname = role_name) then
        execute format('create role %I login', role_name);
    end if;
    if verifier <> '' then
        execute format('alter role %I password %L', role_name, verifier);
    elsif exists (select from pg_roles where rolname = 'rds_iam') then
        -- With this the role logs in by IAM token only; never grant it to the master user.
        execute format('grant rds_iam to %I', role_name);
    end if;
end $$;

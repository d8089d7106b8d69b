-- Prepares a database for the upsert function: a role that logs in with IAM, and the least that it needs. Run it once, as the
-- master user, from where the database can be reached:
--
--   psql "host=$HOST dbname=$DATABASE user=postgres sslmode=verify-full sslrootcert=functions/upsert/certificates/amazon-rds-roots.pem" \
--        -v role=sluice -v schema=public -v table=pomodoro_day_catg -f functions/upsert/bootstrap.sql
--
-- It may be run again. The role may create the table, for a spec that says "create": true; where the table is there already
-- and shall only be loaded, add `-v create=off`. For "on_overlap": "per_file" add `-v per_file=on`: it deletes rows, too.
-- For a login with the password of a secret add `-v iam=off`, and give the role that password with \password.
\set ON_ERROR_STOP on
\if :{?create}
\else
\set create on
\endif

\if :{?iam}
\else
\set iam on
\endif

\if :{?per_file}
\else
\set per_file off
\endif

select format('create role %I login', :'role') where not exists (select from pg_roles where rolname = :'role') \gexec
-- With this the role logs in by IAM token only; never grant it to the master user.
\if :iam
select format('grant rds_iam to %I', :'role') where exists (select from pg_roles where rolname = 'rds_iam') \gexec
\endif

-- What the function writes down of each run is the role's own.
create schema if not exists sluice;
select format('grant usage, create on schema sluice to %I', :'role') \gexec
select format('grant temporary on database %I to %I', current_database(), :'role') \gexec

select format('grant usage on schema %I to %I', :'schema', :'role') \gexec
\if :create
select format('grant create on schema %I to %I', :'schema', :'role') \gexec
\endif
select format('grant select, insert, update on table %I.%I to %I', :'schema', :'table', :'role')
 where to_regclass(format('%I.%I', :'schema', :'table')) is not null \gexec
\if :per_file
select format('grant delete on table %I.%I to %I', :'schema', :'table', :'role')
 where to_regclass(format('%I.%I', :'schema', :'table')) is not null \gexec
\endif

//! What loads keep for themselves in the schema `sluice`: a row per load, and an empty table per job that a load locks.

use crate::text::literal;

/// The table of loads.
pub const LOADS: &str = "sluice.loads";

/// The empty table whose lock lets one load of a job write at a time. A job's name has no underscore.
pub fn lock_table(job: &str) -> String {
    format!("sluice.{}", lock_name(job))
}

/// Its name without the schema.
pub fn lock_name(job: &str) -> String {
    format!("lock_{}", job.replace('-', "_"))
}

/// Takes out what is recorded of a job's loads into a target, given as `schema.table` in small letters.
pub fn forget(job: &str, target: &str) -> String {
    format!("delete from {LOADS} where job = {} and target = {}", literal(job), literal(target))
}

/// What has to be there before the first load of a job. A table that a load itself would make takes a snapshot before
/// the load has the lock.
pub fn statements(job: &str) -> Vec<String> {
    vec![
        "create schema if not exists sluice".to_owned(),
        format!(
            "create table if not exists {LOADS} (
                 job varchar(30) not null,
                 run varchar(400) not null,
                 target varchar(300) not null,
                 mode varchar(20) not null,
                 window_from timestamp,
                 window_to timestamp,
                 exported_at timestamp not null,
                 rows_exported bigint not null,
                 manifest varchar(1100) not null,
                 loaded_at timestamp default getdate()
             )"
        ),
        format!("create table if not exists {} (nothing smallint)", lock_table(job)),
    ]
}

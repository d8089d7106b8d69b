//! Each function alone: its binary, called as Lambda does, with real databases and the local AWS or a fake one whose
//! clock and contents are the test's.

pub(crate) mod copy_parts;
pub(crate) mod database_access;
pub(crate) mod detect_new_files;
pub(crate) mod detection;
pub(crate) mod elt;
pub(crate) mod elt_permissions;
pub(crate) mod ended_badly;
pub(crate) mod examples;
pub(crate) mod fake_aws;
pub(crate) mod fields;
pub(crate) mod key_forms;
pub(crate) mod last_run;
pub(crate) mod leases;
pub(crate) mod lost_columns;
pub(crate) mod merging;
pub(crate) mod named_keys;
pub(crate) mod newest_row;
pub(crate) mod permissions;
pub(crate) mod pivot;
pub(crate) mod prepare;
pub(crate) mod prepared;
pub(crate) mod ranges;
pub(crate) mod refilled;
pub(crate) mod refusals;
pub(crate) mod repeated_files;
pub(crate) mod same_table;
pub(crate) mod set_aside;
pub(crate) mod targets;
pub(crate) mod upsert;
pub(crate) mod wire;
pub(crate) mod words;

//! Each function alone: its binary, called as Lambda does, with real databases and the local AWS or a fake one whose
//! clock and contents are the test's.

pub(crate) mod copy_parts;
pub(crate) mod database_access;
pub(crate) mod detect_new_files;
pub(crate) mod detection;
pub(crate) mod fake_aws;
pub(crate) mod leases;
pub(crate) mod merging;
pub(crate) mod per_file;
pub(crate) mod permissions;
pub(crate) mod pivot;
pub(crate) mod prepare;
pub(crate) mod ranges;
pub(crate) mod refusals;
pub(crate) mod upsert;
pub(crate) mod wire;

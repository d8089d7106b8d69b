//! Each function alone: its binary, called as Lambda does, with real databases and the local AWS or a fake one whose clock and contents
//! are the test's.

pub mod copy_parts;
pub mod database_access;
pub mod detect_new_files;
pub mod detection;
pub mod fake_aws;
pub mod leases;
pub mod merging;
pub mod per_file;
pub mod permissions;
pub mod pivot;
pub mod prepare;
pub mod ranges;
pub mod upsert;
pub mod wire;

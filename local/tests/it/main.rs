//! Everything that needs the stack: each function alone, whole executions, the wire, the command line; and the checks that
//! hold the repository's files together. One stack serves all tests; each has a deployment and a database of its own.

mod campaign;
mod cli;
mod combinations;
mod database_access;
mod detect_new_files;
mod detection;
mod executions;
mod fake_aws;
mod faults;
mod freshness;
mod interleavings;
mod jobs;
mod leases;
mod merging;
mod modules;
mod not_built;
mod parts;
mod per_file;
mod permissions;
mod pivot;
mod prepare;
mod queued;
mod ranges;
mod resolved;
mod roles;
mod sam;
mod sleeping;
mod support;
mod tidy;
mod trigger;
mod twins;
mod upsert;
mod wire;

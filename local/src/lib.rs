//! Runs everything on one machine: a real PostgreSQL and a local AWS, with the repository's own template deployed to
//! it and the real functions as its code. What runs here is what deploys.
//!
//! # Layout
//! - [`commands`]: the command line. Its commands: `run` one job once (`input` finds its files, `loaded` sees whether
//!   its table is still the one that was loaded, `source` is the database that its table is copied from, [`lake`] is
//!   what jobs by SQL need), `up` keeps the stack in the foreground (with `relay`, by which containers get in, and
//!   `events`, the examples that it fills in), `page` serves the page of runs, as `up` does, too;
//!   `new_job` adds a job that it finds out from files, of which, as of a spec that is checked, [`inspection`] tells;
//!   `bench` measures. `failure` is what ends them.
//! - [`stack`]: PostgreSQL and the local AWS, started together; they end with this process, however it ends.
//! - [`deployment`]: the template, deployed once more under another name, with a database of its own.
//! - [`execution`]: starts an execution and follows it.
//! - [`report`]: what a person or a program gets to see of it.
//!
//! Underneath: [`template`] reads the template and its jobs, [`binaries`] builds the functions, [`emulator`],
//! [`postgres`] and, for jobs of the kind `mysql-to-redshift`, [`mysql`] and `redshift`, which [`warehouse`] keeps
//! together, are the services. `server` is what the servers of databases have in common, [`python`] makes the
//! environments that services are installed in, `packages` unpacks what the system has, and `guard` ends their
//! processes. [`browser`] is for tests of the page. [`fake_aws`] is S3 and Step Functions
//! for one function alone, in tests and in the bench. [`setup_error`] says what keeps them from starting. `fingerprint`
//! names what is kept, `port` finds a free one.

mod bench;
pub mod binaries;
pub mod browser;
pub mod commands;
pub mod deployment;
pub mod emulator;
mod events;
pub mod execution;
mod failure;
pub mod fake_aws;
mod fingerprint;
mod guard;
mod input;
pub mod inspection;
pub mod lake;
mod loaded;
pub mod mysql;
mod new_job;
mod packages;
mod page;
mod port;
pub mod postgres;
pub mod python;
mod redshift;
mod relay;
pub mod report;
mod run;
mod server;
pub mod setup_error;
pub mod source;
pub mod stack;
pub mod template;
mod up;
pub mod warehouse;

/// An error that a test or a command only passes on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

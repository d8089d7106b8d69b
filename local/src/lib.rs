//! Runs everything on one machine: a real PostgreSQL and a local AWS, with the repository's own template deployed to it and
//! the real functions as its code. What runs here is what deploys.
//!
//! # Layout
//! - [`stack`]: PostgreSQL and the local AWS, started together; they end with this process, however it ends.
//! - [`deployment`]: the template, deployed once more under another name, with a database of its own.
//! - [`execution`]: starts an execution and follows it.
//! - [`report`]: what a person or a program gets to see of it.
//! - [`commands`]: the command line; `up` with [`relay`], by which containers get in, and [`events`], which they are given.
//!
//! Underneath: [`emulator`], [`postgres`], [`python`], [`binaries`], [`template`], [`guard`], and [`missing`] for what keeps
//! them from starting.

mod bench;
pub mod binaries;
pub mod commands;
pub mod deployment;
pub mod emulator;
pub mod events;
pub mod execution;
pub mod guard;
pub mod missing;
pub mod postgres;
pub mod python;
pub mod relay;
pub mod report;
pub mod stack;
pub mod template;
mod up;

/// An error that a test or a command only passes on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

//! The states that open and close the database, the watchdog, and their leases.

use super::execution::Execution;
use serde::{Deserialize, Serialize};

/// Input of the states `OpenDatabase`, `CheckDatabase`, `CloseDatabase` and `CloseAfterFailure`, and of the watchdog.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum DatabaseAccessInput {
    /// Make the instance public.
    Open {
        /// This execution; by hand there is none, and the watchdog closes again.
        #[serde(default)]
        execution: Option<Execution>,
    },
    /// Is it reachable yet?
    Status {
        /// This execution.
        execution: Execution,
        /// When it was opened, RFC 3339.
        opened_at: String,
        /// How many checks in a row have found it available and public.
        available_checks: u32,
    },
    /// Make it private.
    Close {
        /// This execution; by hand there is none.
        #[serde(default)]
        execution: Option<Execution>,
    },
    /// Make it private if it is public while no running execution holds a lease: what an aborted one left behind.
    CloseLeftover,
}

/// Output of the action `open`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct OpenOutput {
    /// RFC 3339.
    pub opened_at: String,
    /// It was public before: for another run, or because one was stopped before it could close it.
    pub was_public: bool,
}

/// Output of the action `status`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct StatusOutput {
    /// The loading may begin.
    pub reachable: bool,
    /// To be handed to the next check.
    pub available_checks: u32,
}

/// Output of the actions `close` and `close_leftover`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct CloseOutput {
    /// Whether the instance is public now, because another run needs it.
    pub public: bool,
}

/// A running execution needs the database public.
#[derive(Debug, Deserialize, Serialize)]
pub struct Lease {
    /// ARN of the execution.
    pub execution: String,
    /// When it was started, RFC 3339.
    pub started_at: String,
}

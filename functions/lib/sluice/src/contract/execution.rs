//! Which execution a payload belongs to.

use serde::{Deserialize, Serialize};

/// Which execution a state belongs to. In every payload.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Execution {
    /// The job's name, unique within its stack: which keys and which rows are its own.
    pub job: String,
    /// `$$.Execution.Id`: its ARN.
    pub id: String,
    /// `$$.Execution.Name`: unique within the state machine for 90 days.
    pub name: String,
    /// `$$.Execution.StartTime`: RFC 3339. A redrive keeps it.
    pub started_at: String,
    /// `$$.StateMachine.Id`: the state machine's ARN, with a version or an alias if the execution was started by one.
    pub state_machine: String,
}

impl Execution {
    /// The state machine's name, which is unique within an account and region.
    pub fn state_machine_name(&self) -> &str {
        self.state_machine.split(':').nth(6).unwrap_or(&self.state_machine)
    }

    /// The state machine's ARN without version or alias.
    pub fn plain_state_machine(&self) -> String {
        plain_state_machine(&self.state_machine)
    }
}

/// A state machine's ARN without version or alias.
pub fn plain_state_machine(arn: &str) -> String {
    arn.split(':').take(7).collect::<Vec<_>>().join(":")
}

/// As much of an [`Execution`] as an event about its end tells.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Owner {
    /// The job's name.
    pub job: String,
    /// The execution's ARN.
    pub id: String,
    /// The state machine's ARN, with a version or an alias if the execution was started by one.
    pub state_machine: String,
}

//! The questions that are asked of AWS and the database.

use crate::shared::{DATABASE, DEFINITION, LEDGER, Look, QUARANTINE, RECORDS};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// What the stack says of itself.
    Root,
    /// Which state machines it has.
    Machines,
    /// The job of one of them.
    Job(String),
    /// Which schedules it has.
    Schedules,
    /// A job's schedule.
    Schedule(String),
    /// A job's runs.
    List(String),
    /// A run that is not listed, by its name.
    Find(String, String),
    /// What a run did.
    Describe(String, String),
    /// Which states, and which spec, its job had then.
    Definition(String, String),
    /// Which states it went through.
    History(String, String),
    /// The lines of one of its functions.
    Lines(String, String, &'static str),
    /// A job's files.
    Files(String),
    /// What is recorded as loaded, and which entries its ledger has.
    Ledger(String),
    /// Some entries of it.
    Entries(String),
    /// What waits in its quarantine.
    Quarantine(String),
    /// The reasons of one file there.
    Quarantined(String),
    /// The rows of `sluice.runs`, and the runs of `sluice.windows`.
    Rows,
    /// The records of a job's older runs.
    Records(String),
    /// Those of `sluice.windows`.
    Windows(String),
    /// The records of a job's windows.
    WindowRecords(String),
}

impl Task {
    /// Whether a view shows what this asks for.
    pub(crate) fn is_of(&self, look: &Look) -> bool {
        match (self, look) {
            (Self::List(_) | Self::Describe(..), Look::Jobs) | (Self::Rows, Look::Jobs | Look::Job(_)) => true,
            (Self::List(job), look) => look.job() == Some(job.as_str()),
            (
                Self::Describe(job, _)
                | Self::History(job, _)
                | Self::Windows(job)
                | Self::WindowRecords(job)
                | Self::Records(job),
                Look::Job(shown),
            ) => job == shown,
            (
                Self::Describe(job, run) | Self::Find(job, run) | Self::History(job, run) | Self::Lines(job, run, _),
                Look::Run(shown, of),
            ) => job == shown && run == of,
            (
                Self::Files(job)
                | Self::Ledger(job)
                | Self::Entries(job)
                | Self::Quarantine(job)
                | Self::Quarantined(job),
                Look::Files(shown),
            ) => job == shown,
            _ => false,
        }
    }

    /// Whether a view may ask a question that needs this permission. What belongs to no view is of all of them.
    pub(crate) fn may_ask(look: &Look, action: &str) -> bool {
        match action {
            "states:GetExecutionHistory" => !matches!(look, Look::Files(_)),
            "logs:FilterLogEvents" => matches!(look, Look::Run(..)),
            "s3:ListBucket" | LEDGER | QUARANTINE => matches!(look, Look::Files(_)),
            RECORDS => matches!(look, Look::Job(_)),
            DEFINITION => matches!(look, Look::Job(_) | Look::Run(..)),
            DATABASE => matches!(look, Look::Jobs | Look::Job(_)),
            _ => true,
        }
    }

    /// The permission that it needs.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Root => "cloudformation:DescribeStacks",
            Self::Machines => "states:ListStateMachines",
            Self::Job(_) => "states:DescribeStateMachine",
            Self::Schedules => "scheduler:ListSchedules",
            Self::Schedule(_) => "scheduler:GetSchedule",
            Self::List(_) => "states:ListExecutions",
            Self::Describe(..) | Self::Find(..) => "states:DescribeExecution",
            Self::Definition(..) => DEFINITION,
            Self::History(..) => "states:GetExecutionHistory",
            Self::Lines(..) => "logs:FilterLogEvents",
            Self::Files(_) => "s3:ListBucket",
            Self::Ledger(_) | Self::Entries(_) => LEDGER,
            Self::Quarantine(_) | Self::Quarantined(_) => QUARANTINE,
            Self::Records(_) | Self::WindowRecords(_) => RECORDS,
            Self::Rows | Self::Windows(_) => DATABASE,
        }
    }
}

//! The questions that are asked of AWS and the database.

use crate::shared::{DATABASE, RAN_WITH, RECORDS};

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
    /// What a run did.
    Describe(String, String),
    /// Which states it went through.
    History(String, String),
    /// What it ran with.
    RanWith(String, String),
    /// The lines of one of its functions.
    Lines(String, String, &'static str),
    /// A job's files.
    Files(String),
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
    /// The permission that it needs.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Root => "cloudformation:DescribeStacks",
            Self::Machines => "states:ListStateMachines",
            Self::Job(_) => "states:DescribeStateMachine",
            Self::Schedules => "scheduler:ListSchedules",
            Self::Schedule(_) => "scheduler:GetSchedule",
            Self::List(_) => "states:ListExecutions",
            Self::Describe(..) => "states:DescribeExecution",
            Self::History(..) => "states:GetExecutionHistory",
            Self::RanWith(..) => RAN_WITH,
            Self::Lines(..) => "logs:FilterLogEvents",
            Self::Files(_) => "s3:ListBucket and s3:GetObject",
            Self::Records(_) | Self::WindowRecords(_) => RECORDS,
            Self::Rows | Self::Windows(_) => DATABASE,
        }
    }
}

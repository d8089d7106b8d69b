//! What became of a run.

use serde::{Deserialize, Serialize};

/// What Step Functions says of an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It runs.
    Running,
    /// It ended well.
    #[default]
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

/// What became of a run, in the words of its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is at work.
    Running,
    /// It ended well; what it did is not read yet.
    EndedWell,
    /// Something was loaded, copied or published.
    Loaded,
    /// There was nothing to do.
    NothingNew,
    /// It was tried, and rolled back.
    DryRun,
    /// It only said why files are new or not.
    Explained,
    /// Another run was at work, and was asked to start one more.
    LeftToOwner,
    /// Both sides were compared, and are equal.
    Equal,
    /// Both sides were compared, and are not equal.
    Different,
    /// It failed.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
}

impl Outcome {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::EndedWell => "Ended well",
            Self::Loaded => "Loaded",
            Self::NothingNew => "Nothing new",
            Self::DryRun => "Dry run",
            Self::Explained => "Explained",
            Self::LeftToOwner => "Left to another run",
            Self::Equal => "Equal",
            Self::Different => "Different",
            Self::Failed => "Failed",
            Self::TimedOut => "Timed out",
            Self::Stopped => "Stopped",
        }
    }

    /// Whether it ended without having done what it should.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut)
    }

    /// Whether it is at work.
    pub fn is_running(self) -> bool {
        self == Self::Running
    }

    /// Whether it ended well.
    pub fn is_good(self) -> bool {
        !self.is_bad() && !matches!(self, Self::Running | Self::Stopped)
    }
}

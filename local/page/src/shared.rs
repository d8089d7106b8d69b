//! What the poller and the views share: what is known, and who looks at what.

pub use crate::look::Look;
use crate::model::Stack;
use crate::zone::now;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How long after it was last asked for a view counts as open, in milliseconds.
const OPEN: i64 = 6_000;

/// How many runs of a job are read, of which bars and grid are drawn.
pub const RUNS_READ: usize = 40;

/// What stands for the permission of the database.
pub const DATABASE: &str = "the database";

/// What stands for a permission where the page itself has made a mistake.
pub const MISTAKE: &str = "the page";

/// The permissions for what is loaded.
pub const LEDGER: &str = "s3:ListBucket and s3:GetObject on state/*";

/// The permissions for what waits in quarantine.
pub const QUARANTINE: &str = "s3:ListBucket and s3:GetObject on quarantine/*";

/// The permissions for the records of older runs.
pub const RECORDS: &str = "s3:ListBucket and s3:GetObject on state/*/runs/*";

/// The permission to ask which states a job had, and with which spec, when it ran.
pub const DEFINITION: &str = "states:DescribeStateMachineForExecution";

/// What the poller and the views share.
pub struct Shared {
    stack: Mutex<Stack>,
    looks: Mutex<HashMap<Look, i64>>,
    version: watch::Sender<u64>,
}

impl Shared {
    /// Of a stack of which nothing is known yet.
    pub fn new(stack: Stack) -> Self {
        Self { stack: Mutex::new(stack), looks: Mutex::default(), version: watch::Sender::new(0) }
    }

    /// What is known.
    pub fn stack(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Somebody looks at this.
    pub fn look(&self, look: Look) {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).insert(look, now());
    }

    /// What is looked at, at this time in milliseconds since 1970.
    pub(crate) fn open(&self, at: i64) -> Vec<Look> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|_, seen| at - *seen < OPEN);
        looks.keys().cloned().collect()
    }

    /// Changes what is known.
    pub fn change(&self, change: impl FnOnce(&mut Stack)) {
        change(&mut self.stack());
        self.version.send_modify(|version| *version += 1);
    }
}

//! Work that goes on while something else is done, and ends with its owner.

use crate::{Error, Kind, Result};
use tokio::task::JoinHandle;

/// Work under way. Dropped, it is given up: else it would go on into the next invocation.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<Result<T>>);

impl<T: Send + 'static> Task<T> {
    /// Begins it.
    pub fn start(work: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// What came of it.
    ///
    /// # Errors
    /// Its own; `InvariantBroken` if it panicked.
    pub async fn finished(mut self) -> Result<T> {
        let failed = |failure| Err(Error::caused(Kind::InvariantBroken, "a task", failure));
        (&mut self.0).await.unwrap_or_else(failed)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

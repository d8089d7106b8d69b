//! A batch is submitted once, also when answers are lost and calls are repeated: its token says which load it is, and
//! how many batches of this load have failed before. A token also finds a batch that has failed, for hours; so a
//! failure that is older than this call belongs to an earlier one, and the next number is tried.

use redshift::warehouse::{Batch, State, Warehouse};
use sha2::{Digest, Sha256};
use sluice::{Error, Kind, Result};
use std::time::{Duration, SystemTime};

/// How many batches of one load may fail.
const ATTEMPTS: u32 = 12;

/// Clocks differ: a failure that is younger than this before the call counts as the call's own.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// A batch, and how many of the same load failed before it.
#[derive(Debug)]
pub struct Submitted {
    /// How it stands.
    pub batch: Batch,
    /// Its number, from 0.
    pub attempt: u32,
}

/// The token of a batch: 64 hexadecimal digits, which is the most that the Data API takes.
pub fn token(run: &str, attempt: u32) -> String {
    let digest = Sha256::digest(format!("{run}#{attempt}").as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Submits the batch of a load, or finds it.
///
/// # Errors
/// As [`Warehouse::submit`]; `InvariantBroken` if too many batches of the load have failed.
pub async fn submit(warehouse: &Warehouse, name: &str, run: &str, statements: &[String]) -> Result<Submitted> {
    let started = SystemTime::now();
    for attempt in 0..ATTEMPTS {
        let id = warehouse.submit(name, Some(&token(run, attempt)), statements).await?;
        let batch = warehouse.describe(&id).await?;
        let is_over = matches!(batch.state, State::Failed(_) | State::Aborted);
        let created = batch.created_at.and_then(|time| SystemTime::try_from(time).ok());
        let is_older = created.is_some_and(|created| created + CLOCKS_DIFFER < started);
        if !(is_over && is_older) {
            return Ok(Submitted { batch, attempt });
        }
    }
    Err(Error::new(Kind::InvariantBroken, format!("{ATTEMPTS} batches of {run} have failed: start a new execution")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_load_s_and_one_attempt_s() {
        assert_eq!(token("a/00000", 0), token("a/00000", 0));
        assert_eq!(token("a/00000", 0).len(), 64);
        assert!(token("a/00000", 0) != token("a/00000", 1) && token("a/00000", 1) != token("a/00001", 1));
    }
}

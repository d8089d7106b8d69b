//! How often AWS may be asked: a bucket of tokens, of which each call takes one.

use crate::zone::now;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// A bucket of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many there are at the start and at most; `None`: there is no limit.
    most: Option<u32>,
    tokens: f64,
    at: i64,
}

/// How many calls may be made at once in the beginning.
const AT_START: u32 = 20;

impl Pace {
    /// For an account: twenty calls at the start, then one a second.
    pub fn account(now: i64) -> Self {
        Self { most: Some(AT_START), tokens: f64::from(AT_START), at: now }
    }

    /// For this machine: no limit.
    pub fn none() -> Self {
        Self { most: None, tokens: 0.0, at: 0 }
    }

    /// Takes a token at `now`, in milliseconds since 1970; or says in how many milliseconds there will be one.
    pub fn take(&mut self, now: i64) -> Result<(), i64> {
        let Some(most) = self.most else { return Ok(()) };
        #[allow(clippy::cast_precision_loss, reason = "milliseconds since the last call")]
        let passed = (now - self.at).max(0) as f64;
        self.tokens = (self.tokens + passed / 1_000.0).min(f64::from(most));
        self.at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        #[allow(clippy::cast_possible_truncation, reason = "less than a second")]
        let missing = ((1.0 - self.tokens) * 1_000.0).ceil() as i64;
        Err(missing.max(1))
    }
}

/// The one bucket of a process: what a reader asks for takes its tokens from the same as what is asked by itself.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<Mutex<Pace>>);

impl Tokens {
    /// Those of a pace.
    pub fn new(pace: Pace) -> Self {
        Self(Arc::new(Mutex::new(pace)))
    }

    /// Takes a token, and waits for it as long as there is none. Who comes first is served first.
    pub async fn take(&self) {
        let mut pace = self.0.lock().await;
        while let Err(wait) = pace.take(now()) {
            tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_calls_at_the_start_then_one_a_second() {
        let mut pace = Pace::account(0);
        let mut calls = 0;
        let mut at = 0;
        while at < 60_000 {
            match pace.take(at) {
                Ok(()) => calls += 1,
                Err(wait) => at += wait,
            }
        }
        assert!((79..=80).contains(&calls), "{calls}");
        assert_eq!((0..1_000).filter(|_| Pace::none().take(0).is_ok()).count(), 1_000);
    }
}

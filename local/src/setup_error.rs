//! What kept the local stack from starting, in words for the person at the terminal.

use std::error::Error;
use std::fmt;

/// Why something the stack needs is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A program, a package or an account this machine does not have.
    Absent,
    /// It is there, but another process on this machine is using it.
    Busy,
    /// It is there, but it did not do what was asked of it.
    Failed,
}

/// The local stack could not start: what is missing, and how to get it.
///
/// A command line that ends with this error exits with code 2, which tells "this machine lacks
/// something" from "the job ran and failed".
#[derive(Debug)]
pub struct SetupError {
    /// Which sort of absence this is.
    pub reason: Reason,
    /// What is missing, as a sentence.
    pub what: String,
    /// What the reader can do about it, as a sentence.
    pub how: String,
    /// The error underneath, when there was one.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl SetupError {
    /// Something this machine does not have.
    pub fn absent(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::new(Reason::Absent, what, how)
    }

    /// Something that another process holds.
    pub fn busy(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::new(Reason::Busy, what, how)
    }

    /// Something that was tried and did not work.
    pub fn failed(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::new(Reason::Failed, what, how)
    }

    /// The same, with the error that caused it.
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    fn new(reason: Reason, what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { reason, what: what.into(), how: how.into(), source: None }
    }
}

impl fmt::Display for SetupError {
    /// Two parts on lines of their own: what, then how. The cause is left to [`Error::source`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.what, self.how)
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn says_what_and_how_and_keeps_the_cause() {
        let error = SetupError::absent("There is no Python.", "Install it.").caused_by(io::Error::other("not found"));
        assert_eq!(error.to_string(), "There is no Python.\nInstall it.");
        assert_eq!(error.source().unwrap().to_string(), "not found");
        assert_eq!(error.reason, Reason::Absent);
    }

    #[test]
    fn has_no_cause_unless_given_one() {
        assert!(SetupError::busy("In use.", "Wait.").source().is_none());
    }
}

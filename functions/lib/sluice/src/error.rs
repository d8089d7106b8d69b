//! One error type, seven kinds. The kind's name is the `errorType` that the state machine matches on.

pub mod advice;
mod aws;

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, in the terms of who has to act. See the error table in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// May pass by itself: the state machine retries.
    TransientFailure,
    /// Another execution of this job is running: the state machine retries slowly.
    LockHeld,
    /// The caller broke the contract.
    InvalidEvent,
    /// A file is wrong.
    InvalidSource,
    /// An operator must act: a permission, a setting, the target table.
    Misconfigured,
    /// A newer run has already been committed.
    StaleRun,
    /// A bug of ours, and everything that nothing else fits.
    InvariantBroken,
}

impl Kind {
    /// All kinds, in the order of the README's table.
    pub const ALL: [Kind; 7] = [
        Kind::TransientFailure,
        Kind::LockHeld,
        Kind::InvalidEvent,
        Kind::InvalidSource,
        Kind::Misconfigured,
        Kind::StaleRun,
        Kind::InvariantBroken,
    ];

    /// The name on the wire: `errorType` of the function's answer, `ErrorEquals` in the state machine file.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::TransientFailure => "TransientFailure",
            Kind::LockHeld => "LockHeld",
            Kind::InvalidEvent => "InvalidEvent",
            Kind::InvalidSource => "InvalidSource",
            Kind::Misconfigured => "Misconfigured",
            Kind::StaleRun => "StaleRun",
            Kind::InvariantBroken => "InvariantBroken",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind, what happened, and what caused it.
///
/// `Display` renders the whole chain of causes, because only that text reaches the state machine.
pub struct Error {
    kind: Kind,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without a cause beneath it.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    /// An error of `kind` while doing `what`, caused by `source`.
    pub fn caused(kind: Kind, what: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, what: what.into(), source: Some(source.into()) }
    }

    /// Who has to act.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut last = self.what.clone();
        let mut next = self.source.as_ref().map(|source| &**source as &dyn StdError);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many libraries repeat their cause in their own text.
            if !last.ends_with(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
            next = cause.source();
        }
        Ok(())
    }
}

// A task is joined by whoever started it, so only a panic of its own ends it without a result.
impl From<tokio::task::JoinError> for Error {
    fn from(failure: tokio::task::JoinError) -> Self {
        Self::caused(Kind::InvariantBroken, "a task", failure)
    }
}

// The runtime logs a returned error with `Debug`; the derived form would print what a source holds, requests included.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<Error> for lambda_runtime::Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.kind.name().to_owned(), error_message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_carries_the_chain_without_repeating_it() {
        let root = std::io::Error::other("connection reset");
        let middle = Error::caused(Kind::TransientFailure, "get object: connection reset", root);
        let top = Error::caused(Kind::InvalidSource, "input_data/a.csv", middle);
        assert_eq!(top.to_string(), "input_data/a.csv: get object: connection reset");
        assert_eq!(format!("{top:?}"), "InvalidSource: input_data/a.csv: get object: connection reset");
    }

    #[test]
    fn the_wire_name_is_the_error_type() {
        for kind in Kind::ALL {
            let diagnostic = lambda_runtime::Diagnostic::from(Error::new(kind, "x"));
            assert_eq!(diagnostic.error_type, kind.name());
            assert_eq!(format!("{kind:?}"), kind.name());
        }
    }
}

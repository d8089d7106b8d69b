//! What ends a command, and its text for the person at the terminal.

use crate::BoxError;
use crate::setup_error::SetupError;
use std::error::Error;
use std::path::Path;

/// What ended a command.
pub(crate) enum Failure {
    /// The stack could not start.
    Setup(SetupError),
    /// The run did not do its work.
    Run(String),
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl From<BoxError> for Failure {
    fn from(error: BoxError) -> Self {
        Self::Run(chain(&*error))
    }
}

/// The failure of a deployment.
pub(crate) fn not_deployed(error: BoxError, state_dir: &Path) -> Failure {
    let how = format!("The log of the local AWS is {}.", state_dir.join("emulator.log").display());
    Failure::Setup(SetupError::failed("The template could not be deployed.", how).caused_by(error))
}

/// A failure that is about a file.
pub(crate) fn named(path: &Path, error: &dyn Error) -> Failure {
    Failure::Run(format!("{}: {}", path.display(), chain(error)))
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!("\n  caused by: {cause}"));
        next = cause.source();
    }
    text
}

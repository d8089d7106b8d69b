//! Environment variables say where things are. They are read once, and all problems are reported together.

use crate::{Error, Kind, Result};
use std::fmt::Display;
use std::str::FromStr;

/// Reads variables through a lookup function and gathers what is wrong with them.
pub struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl<'a> Env<'a> {
    /// Reads through `lookup`; an empty value counts as absent.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// The value of `name`, if it has one.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`; a missing one is a problem.
    pub fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// The value of `name` as a `T`, or `default` when it is absent; a malformed one is a problem.
    pub fn parsed<T>(&mut self, name: &str, default: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.optional(name).map(|text| text.parse::<T>()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                self.problems.push(format!("{name}: {error}"));
                default
            }
        }
    }

    /// Notes a problem of the caller's own.
    pub fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// `value`, if there was no problem.
    ///
    /// # Errors
    /// `Misconfigured`, naming every problem. Values are not repeated: one of them may be a secret.
    pub fn finish<T>(self, value: T) -> Result<T> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        Err(Error::new(Kind::Misconfigured, format!("environment: {}", self.problems.join("; "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_together() {
        let lookup = |name: &str| match name {
            "PORT" => Some("many".to_owned()),
            "EMPTY" => Some(String::new()),
            "HOST" => Some("localhost".to_owned()),
            _ => None,
        };
        let mut env = Env::new(&lookup);
        assert_eq!(env.required("HOST"), "localhost");
        assert_eq!(env.optional("EMPTY"), None);
        env.required("EMPTY");
        env.required("BUCKET");
        assert_eq!(env.parsed("PORT", 5432_u16), 5432);
        let error = env.finish(()).unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured);
        assert_eq!(
            error.to_string(),
            "environment: EMPTY is not set; BUCKET is not set; PORT: invalid digit found in string"
        );
    }
}

//! The kinds of jobs.

use crate::definition::Definition;
use serde::{Deserialize, Serialize};

/// What a job does. Its name is that of its template in `statemachine/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Loads files.
    TransformAndUpsert,
    /// Copies a table.
    CopyTable,
    /// Makes tables of the lake by SQL.
    AthenaElt,
    /// Takes a table of MySQL to Redshift.
    MysqlToRedshift,
}

/// The function that is one for all jobs of a stack.
pub const DATABASE_ACCESS: &str = "database-access";

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TransformAndUpsert, Self::CopyTable, Self::AthenaElt, Self::MysqlToRedshift];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TransformAndUpsert => "transform-and-upsert",
            Self::CopyTable => "copy-table",
            Self::AthenaElt => "athena-elt",
            Self::MysqlToRedshift => "mysql-to-redshift",
        }
    }

    /// The kind whose state machine has these states.
    pub fn of(definition: &Definition) -> Option<Self> {
        let has = |name: &str| definition.state(name).is_some();
        if has("PivotFiles") {
            Some(Self::TransformAndUpsert)
        } else if has("CopyWindows") {
            Some(Self::CopyTable)
        } else if has("BuildTargets") {
            Some(Self::AthenaElt)
        } else if has("LoadWindows") {
            Some(Self::MysqlToRedshift)
        } else {
            None
        }
    }

    /// Whether its runs take windows of time.
    pub fn has_windows(self) -> bool {
        matches!(self, Self::CopyTable | Self::MysqlToRedshift)
    }

    /// The states that load, copy or publish; of those inside of Maps both names.
    pub fn loading_states(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::TransformAndUpsert => &[("Upsert", None)],
            Self::CopyTable => &[("CopyWindows", Some("CopyWindow")), ("CopyInOrder", Some("CopyNextWindow"))],
            Self::AthenaElt => &[("BuildTargets", Some("Publish"))],
            Self::MysqlToRedshift => &[("LoadWindows", Some("LoadRedshift"))],
        }
    }

    /// The functions of a job of this kind, as their log groups are called. The one that opens and closes the database
    /// is one for all jobs of a stack.
    pub fn functions(self) -> &'static [&'static str] {
        match self {
            Self::TransformAndUpsert => &["detect-new-files", "pivot", "upsert", DATABASE_ACCESS],
            Self::CopyTable => &["copy-table", DATABASE_ACCESS],
            Self::AthenaElt => &["prepare-elt", "run-query", "publish-elt"],
            Self::MysqlToRedshift => &["export-table", "plan-export", "load-redshift"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Each function that a state machine calls logs in a group that is read.
    #[test]
    fn the_lines_of_all_functions_are_read() {
        for kind in Kind::ALL {
            let file = format!("../../statemachine/{}.asl.json", kind.name());
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
            let mut called: Vec<String> = text
                .split("\"FunctionName\": \"${")
                .skip(1)
                .map(|rest| rest.split_once("FunctionArn}").unwrap().0)
                .map(|name| {
                    name.chars().fold(String::new(), |text, letter| match letter.is_ascii_uppercase() {
                        true if !text.is_empty() => format!("{text}-{}", letter.to_ascii_lowercase()),
                        true => letter.to_ascii_lowercase().to_string(),
                        false => format!("{text}{letter}"),
                    })
                })
                .collect();
            called.sort();
            called.dedup();
            let mut read: Vec<&str> = kind.functions().to_vec();
            read.sort_unstable();
            assert_eq!(called, read, "{kind:?}");
        }
    }
}

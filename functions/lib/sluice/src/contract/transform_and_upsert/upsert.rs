//! The state `Upsert`, the action `prepare`.

use super::detect::{Mode, Record};
use crate::contract::{Execution, ObjectRef};
use crate::spec;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Input of the function `upsert`: of the states `CheckTarget` and `Upsert`, or by hand.
#[derive(Debug)]
pub enum UpsertEvent {
    /// Of the state `CheckTarget`.
    Check(Check),
    /// By hand only.
    Prepare(Prepare),
    /// Of the state `Upsert`.
    Load(UpsertInput),
}

impl<'de> Deserialize<'de> for UpsertEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = serde_json::Value::deserialize(deserializer)?;
        // It may be a prepared payload that was encoded twice, so it is not repeated.
        if !event.is_object() {
            return Err(D::Error::custom("the event is not a JSON object"));
        }
        if event.get("action").is_none() {
            return UpsertInput::deserialize(event).map(Self::Load).map_err(D::Error::custom);
        }
        if event["action"] == "check" {
            return Check::deserialize(event).map(Self::Check).map_err(D::Error::custom);
        }
        // The decoder's own text would repeat a value of the wrong type, which may be the password.
        Prepare::deserialize(event).map(Self::Prepare).map_err(|_| {
            D::Error::custom(
                "prepare takes the texts user, password and, if need be, schema and table, and create and delete, which are \
                 true or false; it is called directly, never by a state machine",
            )
        })
    }
}

/// Asks for the role, the schema and the grants that loading needs. It comes by a direct invocation, never from a state
/// machine, whose history would keep the password; hence no field of an execution is known here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// Always `prepare`.
    pub action: PrepareAction,
    /// Who may create roles: on RDS the master user.
    pub user: String,
    /// That user's password, used for one connection.
    pub password: String,
    /// The schema of the target table.
    #[serde(default = "public")]
    pub schema: String,
    /// The target table, if it is there already.
    #[serde(default)]
    pub table: Option<String>,
    /// May the function create the table?
    #[serde(default = "yes")]
    pub create: bool,
    /// May it delete rows? All but `last_run` need that, and so do `delete_when` and a reload.
    #[serde(default = "yes")]
    pub delete: bool,
}

// Without the password.
impl std::fmt::Debug for Prepare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepare").field("user", &self.user).field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// The action of [`Prepare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrepareAction {
    /// The only one.
    Prepare,
}

/// Output of the action `prepare`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct PrepareOutput {
    /// The role that may load now.
    pub role: String,
    /// Whether the target table was named and is there, so that it was granted too.
    pub has_table: bool,
}

fn public() -> String {
    "public".to_owned()
}

fn yes() -> bool {
    true
}

/// Input of the state `CheckTarget`: what does the target's own record say? Its answer is a [`Record`].
#[derive(Debug, Deserialize, Serialize)]
pub struct Check {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: spec::Parts,
}

/// Input of the state `Upsert`.
#[derive(Debug, Deserialize, Serialize)]
pub struct UpsertInput {
    /// This execution.
    pub execution: Execution,
    /// The run's [`Manifest`](super::Manifest).
    pub manifest: ObjectRef,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: spec::Parts,
    /// In the mode `dry_run` everything is rolled back.
    #[serde(default)]
    pub mode: Mode,
}

/// Output of the state `Upsert`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct UpsertOutput {
    /// `load` if the rows are in the table; the rule that starts a job after this one looks for it.
    #[serde(default)]
    pub mode: Mode,
    /// Files whose rows are in the load.
    pub files: u64,
    /// Files left out because they changed after they were listed; the next run finds them.
    pub files_changed: u64,
    /// Data rows read from the files.
    pub rows_read: u64,
    /// Rows in quarantine.
    pub rows_rejected: u64,
    /// Rows of a category that the spec ignores.
    #[serde(default)]
    pub rows_ignored: u64,
    /// Rows that the spec's filter leaves out.
    #[serde(default)]
    pub rows_filtered: u64,
    /// Rows of partial sums staged.
    pub rows_staged: u64,
    /// Keys that were new.
    pub rows_inserted: u64,
    /// Keys whose values changed.
    pub rows_updated: u64,
    /// Keys whose values stayed as they were; nothing is written for these.
    pub rows_unchanged: u64,
    /// Keys of which no file says anything any more.
    #[serde(default)]
    pub rows_deleted: u64,
    /// Files that were set aside whole.
    #[serde(default)]
    pub files_bad: u64,
    /// Keys of which a part is in quarantine: where there was a whole value before, it is kept.
    #[serde(default)]
    pub keys_partial: u64,
    /// What a person should know of it, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Nothing was loaded, since the target's record is not what the manifest assumes: it is this. Which files are new
    /// has to be found out again.
    #[serde(default)]
    pub record: Option<Record>,
}

/// The first keys of which a note or an error speaks. They may be values of rows, such as names of people, so they
/// stand in an object of their own, a list of these, and in no payload.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct NamedKeys {
    /// The note, or what of the error is about keys.
    pub note: String,
    /// Up to 20 keys, as PostgreSQL shows them, of several columns with a comma and a blank between; cut to 200 bytes
    /// each.
    pub keys: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prepares_is_no_execution() {
        let read = |text: &str| serde_json::from_str::<UpsertEvent>(text);
        let prepare = read(r#"{"action": "prepare", "user": "postgres", "password": "hush"}"#).unwrap();
        let text = format!("{prepare:?}");
        assert!(text.contains("postgres") && !text.contains("hush"), "{text}");
        for event in [
            r#"{"action": "prepare", "user": "u", "password": "hush", "execution": {}}"#,
            r#"{"action": "prepare", "user": "u", "password": "hush", "create": "hush"}"#,
            r#"{"action": "drop", "user": "u", "password": "hush"}"#,
        ] {
            let error = read(event).unwrap_err().to_string();
            assert!(error.contains("called directly") && !error.contains("hush"), "{error}");
        }
        let twice = serde_json::Value::from(r#"{"action": "prepare", "password": "hush"}"#).to_string();
        assert!(!read(&twice).unwrap_err().to_string().contains("hush"));
        assert!(read("{}").unwrap_err().to_string().contains("missing field `execution`"));
    }
}

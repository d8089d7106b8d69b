//! The actions `prepare`: by hand, never from a state machine, whose history would keep the password.

use serde::{Deserialize, Serialize};

/// Asks `export-table` to let its user read the table in MySQL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareSource {
    /// Always `prepare`.
    #[serde(rename = "action")]
    _action: Action,
    /// Who may make users and grant there: on RDS the master user.
    pub user: String,
    /// That user's password, used for one connection.
    pub password: String,
    /// The schema of the table.
    pub schema: String,
    /// The table, which is there.
    pub table: String,
}

/// What is said of a payload that is no [`PrepareSource`]: the decoder's own text could repeat the password.
pub(super) const FORM: &str =
    "prepare takes the texts user, password, schema and table; it is called directly, never by a state machine";

// Without the password.
impl std::fmt::Debug for PrepareSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, schema, table, .. } = self;
        write!(f, "PrepareSource {{ {user}, {schema}.{table} }}")
    }
}

/// Output of the action `prepare` of `export-table`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct PrepareSourceOutput {
    /// The user that may read the table now.
    pub user: String,
}

/// Asks `plan-export` for what an administrator of Redshift runs for a job, once. Nothing is run: the function's role
/// may not grant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareTarget {
    /// Always `prepare`.
    #[serde(rename = "action")]
    _action: Action,
    /// The job's name.
    pub job: String,
    /// The schema of the table.
    #[serde(default = "public")]
    pub schema: String,
    /// The table, which is there.
    pub table: String,
}

/// Output of the action `prepare` of `plan-export`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct PrepareTargetOutput {
    /// The users of Redshift that are granted something. Those of roles are made by their first login, or by
    /// `create user ... password disable`.
    pub users: Vec<String>,
    /// What to run, in this order.
    pub statements: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Prepare,
}

fn public() -> String {
    "public".to_owned()
}

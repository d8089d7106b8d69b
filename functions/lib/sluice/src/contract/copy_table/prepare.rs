//! The action `prepare`: by hand, never from a state machine, whose history would keep the password.

use serde::{Deserialize, Serialize};

/// Asks for the role of one end, and what it needs to be granted there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// Always `prepare`.
    #[serde(rename = "action")]
    _action: Action,
    /// Which end.
    pub end: End,
    /// Who may create roles there: on RDS the master user.
    pub user: String,
    /// That user's password, used for one connection.
    pub password: String,
    /// The schema of the table.
    #[serde(default = "public")]
    pub schema: String,
    /// The table, which is there.
    pub table: String,
    /// At the source: may the role see that others' transactions are open? A job with `settle: lag` does not look.
    #[serde(default = "yes")]
    pub transactions: bool,
    /// At the target: may it delete rows? The mode `upsert` never does.
    #[serde(default = "yes")]
    pub delete: bool,
}

/// What is said of a payload that is no [`Prepare`]: the decoder's own text could repeat the password.
pub(super) const FORM: &str = "prepare takes end, which is \"source\" or \"target\", the texts user, password and table, and, \
                               if need be, schema, and transactions and delete, which are true or false; it is called \
                               directly, never by a state machine";

// Without the password.
impl std::fmt::Debug for Prepare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { end, user, schema, table, .. } = self;
        write!(f, "Prepare {{ {end:?}, {user}, {schema}.{table} }}")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Prepare,
}

/// One of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The one that is read.
    Source,
    /// The one that is written.
    Target,
}

/// Output of the action `prepare`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct PrepareOutput {
    /// The role that may copy now, as far as this end goes.
    pub role: String,
    /// Which end.
    pub end: End,
}

fn public() -> String {
    "public".to_owned()
}

fn yes() -> bool {
    true
}

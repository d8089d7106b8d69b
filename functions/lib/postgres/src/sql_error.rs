//! From a database error to a kind, by its SQLSTATE (PostgreSQL manual, Appendix A). Texts are never matched.

use crate::identifiers::Names;
use crate::told::{self, Fields};
use sluice::{Error, Kind};
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// What a database error means while doing `what`. Its text carries what PostgreSQL says, with DETAIL, table, column
/// and constraint, but never the value of a cell: see `told`.
pub fn classify(what: impl Into<String>, error: sqlx::Error) -> Error {
    classified(what.into(), error, &[], &[])
}

/// The same of a statement that writes rows of a table, which has these columns in their order; none if they are not
/// known. Of the rows that PostgreSQL quotes the dates of the key are told.
pub fn classify_rows(what: impl Into<String>, error: sqlx::Error, names: &Names, columns: &[String]) -> Error {
    classified(what.into(), error, &names.keys, columns)
}

fn classified(what: String, error: sqlx::Error, keys: &[String], columns: &[String]) -> Error {
    let kind = match &error {
        sqlx::Error::Database(database) => database.code().map_or(Kind::InvariantBroken, |code| sql_state_kind(&code)),
        sqlx::Error::Io(_) => Kind::TransientFailure,
        // The connection broke in the middle of a message.
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Kind::TransientFailure,
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Kind::Misconfigured,
        _ => Kind::InvariantBroken,
    };
    match &error {
        sqlx::Error::Database(database) => Error::new(kind, format!("{what} {}", text(&**database, keys, columns))),
        _ => Error::caused(kind, what, error),
    }
}

/// Not as the library has it, whose "line" is one of PostgreSQL's own source.
fn text(error: &dyn DatabaseError, keys: &[String], columns: &[String]) -> String {
    let code = error.code().unwrap_or_default();
    let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else {
        return format!("(SQLSTATE {code}): {}", error.message());
    };
    let fields = Fields {
        code: &code,
        message: error.message(),
        detail: error.detail(),
        context: error.r#where(),
        schema: error.schema(),
        table: error.table(),
        column: error.column(),
        constraint: error.constraint(),
        columns,
        keys,
    };
    format!("(SQLSTATE {code}): {fields}")
}

fn sql_state_kind(code: &str) -> Kind {
    match code {
        // Read-only while it fails over; a session that was idle or a transaction that took too long; a lock timeout;
        // shutting down, crashed, starting up; idle; a statement timeout.
        "25006" | "25P03" | "25P04" | "55P03" | "57P01" | "57P02" | "57P03" | "57P05" | "57014" => {
            Kind::TransientFailure
        }
        _ => match code.get(..2) {
            // Connection, rollback (deadlock and serialisation), resources.
            Some("08" | "40" | "53") => Kind::TransientFailure,
            // Two rows of a merge meet in one of the table, whose key takes different texts for the same: its collation
            // is not deterministic.
            Some("21") => Kind::Misconfigured,
            // Data, constraints, limits such as the size of a key, the check of a view.
            Some("22" | "23" | "44" | "54") => Kind::InvalidSource,
            // Features, login, database, schema, privileges and names.
            Some("0A" | "28" | "3D" | "3F" | "42") => Kind::Misconfigured,
            // A trigger or a function of the table's is wrong: a CASE that fits nothing, a change of the row that is
            // being changed, an end of the transaction, a function in SQL or another language, a foreign table.
            Some("20" | "27" | "2D" | "2F" | "38" | "39" | "HV") => Kind::Misconfigured,
            // PL/pgSQL itself fails, so the function is wrong.
            Some("P0") if code == "P0000" => Kind::Misconfigured,
            // Or it refuses a row: it raises, or finds none or several where it wants one.
            _ if told::is_raised(code) => Kind::InvalidSource,
            _ => Kind::InvariantBroken,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_sql_state() {
        for (code, kind) in [
            ("08006", Kind::TransientFailure),
            ("40001", Kind::TransientFailure),
            ("40P01", Kind::TransientFailure),
            ("53300", Kind::TransientFailure),
            ("25006", Kind::TransientFailure),
            ("25P03", Kind::TransientFailure),
            ("25P04", Kind::TransientFailure),
            ("55P03", Kind::TransientFailure),
            ("57P01", Kind::TransientFailure),
            ("57P03", Kind::TransientFailure),
            ("57P05", Kind::TransientFailure),
            ("57014", Kind::TransientFailure),
            ("21000", Kind::Misconfigured),
            ("22008", Kind::InvalidSource),
            ("23502", Kind::InvalidSource),
            ("54000", Kind::InvalidSource),
            ("28P01", Kind::Misconfigured),
            ("3D000", Kind::Misconfigured),
            ("3F000", Kind::Misconfigured),
            ("42501", Kind::Misconfigured),
            ("42P01", Kind::Misconfigured),
            ("42P10", Kind::Misconfigured),
            ("44000", Kind::InvalidSource),
            ("P0001", Kind::InvalidSource),
            ("P0002", Kind::InvalidSource),
            ("P0004", Kind::InvalidSource),
            ("09000", Kind::InvalidSource),
            ("ZX001", Kind::InvalidSource),
            ("P0000", Kind::Misconfigured),
            ("20000", Kind::Misconfigured),
            ("27000", Kind::Misconfigured),
            ("2D000", Kind::Misconfigured),
            ("2F005", Kind::Misconfigured),
            ("38000", Kind::Misconfigured),
            ("39P01", Kind::Misconfigured),
            ("HV000", Kind::Misconfigured),
            ("25001", Kind::InvariantBroken),
            ("57P04", Kind::InvariantBroken),
            ("XX000", Kind::InvariantBroken),
            ("", Kind::InvariantBroken),
        ] {
            assert_eq!(sql_state_kind(code), kind, "{code}");
        }
    }

    #[test]
    fn a_broken_connection_passes_by_itself() {
        let refused = sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        assert_eq!(classify("connect", refused).kind(), Kind::TransientFailure);
        assert_eq!(classify("x", sqlx::Error::RowNotFound).kind(), Kind::InvariantBroken);
    }
}

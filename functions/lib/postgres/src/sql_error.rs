//! From a database error to a kind, by its SQLSTATE (PostgreSQL manual, Appendix A). Texts are never matched.

use sluice::{Error, Kind};

/// What a database error means while doing `what`.
pub fn classify(what: impl Into<String>, error: sqlx::Error) -> Error {
    let kind = match &error {
        sqlx::Error::Database(database) => database.code().map_or(Kind::InvariantBroken, |code| sql_state_kind(&code)),
        sqlx::Error::Io(_) => Kind::TransientFailure,
        // The connection broke in the middle of a message.
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Kind::TransientFailure,
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Kind::Misconfigured,
        _ => Kind::InvariantBroken,
    };
    let what = match &error {
        sqlx::Error::Database(database) => {
            format!("{} (SQLSTATE {})", what.into(), database.code().unwrap_or_default())
        }
        _ => what.into(),
    };
    Error::caused(kind, what, error)
}

fn sql_state_kind(code: &str) -> Kind {
    match code {
        // Read-only while it fails over; a lock timeout; shutting down, crashed, starting up; a statement timeout.
        "25006" | "55P03" | "57P01" | "57P02" | "57P03" | "57014" => Kind::TransientFailure,
        _ => match code.get(..2) {
            // Connection, rollback (deadlock and serialisation), resources.
            Some("08" | "40" | "53") => Kind::TransientFailure,
            // Two rows of a merge meet in one of the table, whose key takes different texts for the same: its collation
            // is not deterministic.
            Some("21") => Kind::Misconfigured,
            // Data, constraints, limits such as the size of a key.
            Some("22" | "23" | "54") => Kind::InvalidSource,
            // Features, login, database, schema, privileges and names.
            Some("0A" | "28" | "3D" | "3F" | "42") => Kind::Misconfigured,
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
            ("55P03", Kind::TransientFailure),
            ("57P01", Kind::TransientFailure),
            ("57P03", Kind::TransientFailure),
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

//! From a database error to a kind, by MySQL's error number ("Server Error Message Reference"). Of an unknown one only
//! the number is told: its message may repeat a value.

use sluice::{Error, Kind};
use sqlx::mysql::MySqlDatabaseError;

/// What a database error means while doing `what`.
pub fn classify(what: impl Into<String>, error: sqlx::Error) -> Error {
    let what = what.into();
    match error {
        sqlx::Error::Database(error) => match error.try_downcast_ref::<MySqlDatabaseError>() {
            Some(error) => {
                let number = error.number();
                match number_kind(number) {
                    Kind::InvariantBroken => {
                        Error::new(Kind::InvariantBroken, format!("{what}: MySQL's error {number}"))
                    }
                    kind => Error::new(kind, format!("{what} (error {number}): {}", error.message())),
                }
            }
            None => Error::new(Kind::InvariantBroken, format!("{what}: an error that is not MySQL's")),
        },
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Error::caused(Kind::TransientFailure, what, error)
        }
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Error::caused(Kind::Misconfigured, what, error),
        _ => Error::caused(Kind::InvariantBroken, what, error),
    }
}

fn number_kind(number: u16) -> Kind {
    match number {
        // Too many connections, shutting down, a lock that lasts, a deadlock, killed, another definition of the table
        // since the snapshot, too many connections of the user, taking too long.
        1040 | 1053 | 1152 | 1159 | 1205 | 1213 | 1226 | 1317 | 1412 | 1927 | 3024 | 3168 => Kind::TransientFailure,
        // Denied: to the database, the login, the command on the table or column; no such database, table or column;
        // TLS is demanded; the host is blocked or unknown; the plugin of the login is missing; the account is locked;
        // no such user to grant to, and users that cannot be made.
        1044 | 1045 | 1049 | 1054 | 1129 | 1130 | 1133 | 1142 | 1143 | 1146 | 1227 | 1251 | 1396 | 1410 | 1524
        | 1698 | 3118 | 3159 => Kind::Misconfigured,
        _ => Kind::InvariantBroken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_number() {
        for (number, kind) in [
            (1040, Kind::TransientFailure),
            (1213, Kind::TransientFailure),
            (1412, Kind::TransientFailure),
            (1045, Kind::Misconfigured),
            (1142, Kind::Misconfigured),
            (1146, Kind::Misconfigured),
            (1064, Kind::InvariantBroken),
            (1292, Kind::InvariantBroken),
        ] {
            assert_eq!(number_kind(number), kind, "{number}");
        }
        let lost = sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        assert_eq!(classify("read", lost).kind(), Kind::TransientFailure);
    }
}

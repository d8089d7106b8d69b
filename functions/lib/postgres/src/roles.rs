//! The role that a function logs in as: made once, by somebody who may.

mod scram;

use crate::connect::Loader;
use crate::sql_error::classify;
use sluice::{Error, Kind, Result};
use sqlx::PgConnection;

const SCRIPT: &str = include_str!("roles/login.sql");

/// Refuses that a role prepares itself: it would log in by token only from then on.
///
/// # Errors
/// `InvalidEvent`.
pub fn refuse_same(loader: &Loader, user: &str) -> Result<()> {
    if loader.role != user {
        return Ok(());
    }
    let what = format!("{user} is the role of the function; prepare needs another user, on RDS the master user");
    Err(Error::new(Kind::InvalidEvent, what))
}

/// Makes the role if it is missing, and lets it log in: by the password of its secret, else by IAM where that is. May
/// be done again.
///
/// # Errors
/// `Misconfigured` if the user may not make roles.
pub async fn let_log_in(connection: &mut PgConnection, loader: &Loader) -> Result<()> {
    let verifier = match &loader.password {
        Some(password) => scram::verifier(password, &salt(connection).await?),
        None => String::new(),
    };
    sqlx::query("select set_config('prepare.role', $1, true), set_config('prepare.verifier', $2, true)")
        .bind(&loader.role)
        .bind(verifier)
        .execute(&mut *connection)
        .await
        .map_err(|error| classify("set which role to make", error))?;
    let made = sqlx::raw_sql(SCRIPT).execute(connection).await;
    made.map_err(|error| classify(format!("make the role {}", loader.role), error)).map(|_| ())
}

/// Sixteen bytes, most of them random.
async fn salt(connection: &mut PgConnection) -> Result<[u8; 16]> {
    let bytes: Vec<u8> = sqlx::query_scalar("select uuid_send(gen_random_uuid())")
        .fetch_one(connection)
        .await
        .map_err(|error| classify("make a salt", error))?;
    bytes.try_into().map_err(|_| Error::new(Kind::InvariantBroken, "a UUID that does not have 16 bytes"))
}

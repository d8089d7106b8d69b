//! The two sessions of an attempt: bounded in every wait, and rid of earlier attempts at the same window.
//!
//! A function that Lambda has frozen, or whose connection went silent, leaves a session behind that holds its locks: in
//! the middle of a COPY no timeout of the server applies. So the server looks for a sign of life from its client, and
//! an attempt first ends the sessions that earlier attempts of its execution have left at its window. It knows them by
//! their name. Another execution's may be at work, so that one is waited for, unless it is older than a function can
//! be.

use postgres::sql_error::classify;
use sha2::{Digest, Sha256};
use sluice::Result;
use sluice::contract::Execution;
use sluice::contract::copy_table::Window;
use sqlx::PgConnection;
use std::time::Duration;

/// How long a statement waits for a lock, before the state machine waits instead.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// SQLSTATE of a lock that was not to be had in that time.
pub(crate) const LOCK_NOT_AVAILABLE: &str = "55P03";

/// What of a job's name fits.
const MAX_JOB_BYTES: usize = 30;

/// Our own timeout comes first, and says more.
const SERVER_MARGIN: Duration = Duration::from_secs(5);

/// One of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that is read.
    Source,
    /// The one that is written.
    Target,
}

/// What the sessions of an attempt are called: job, window and execution, in at most the 63 bytes of a name.
#[derive(Clone, Debug)]
pub struct Sessions {
    window: String,
    execution: String,
}

impl Sessions {
    /// Of an attempt at a window, or at the whole table.
    pub fn new(execution: &Execution, window: Option<&Window>) -> Self {
        let start = window.map_or_else(|| "all".to_owned(), |window| window.start.replace(['-', ':'], ""));
        let hash = crate::mapping::hexadecimal(&Sha256::digest(&execution.id)[..3]);
        Self { window: format!("sluice {} {start} ", short(&execution.job)), execution: hash }
    }

    /// Of an attempt to plan.
    pub(crate) fn planning(execution: &Execution) -> Self {
        let window = format!("sluice {} plan ", short(&execution.job));
        Self { window, ..Self::new(execution, None) }
    }

    /// The name on one side. `settle` knows readers by it.
    pub fn name(&self, side: Side) -> String {
        let side = match side {
            Side::Source => 'r',
            Side::Target => 'w',
        };
        format!("{}{}{side}", self.window, self.execution)
    }

    /// Sets what holds until the end of the session, and ends the sessions of earlier attempts. Before a transaction
    /// begins: a setting made within goes with its rollback.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn prepare(&self, connection: &mut PgConnection, side: Side, time_left: Duration) -> Result<()> {
        let failed = |error| classify("set the session's parameters", error);
        let timeout = (time_left + SERVER_MARGIN).as_millis().to_string();
        // Of a client that vanished keepalives tell only where nothing is on its way to it; for rows that nobody
        // acknowledges there is a timeout of its own. Seven make the texts of both sides the same, where a
        // type goes as text. The last two are of 17 and 14.
        sqlx::query(
            "select set_config('lock_timeout', $1, false),
                    set_config('statement_timeout', $2, false),
                    set_config('idle_in_transaction_session_timeout', $2, false),
                    set_config('tcp_keepalives_idle', '30', false),
                    set_config('tcp_keepalives_interval', '10', false),
                    set_config('tcp_keepalives_count', '3', false),
                    set_config('tcp_user_timeout', '60000', false),
                    set_config('row_security', 'off', false),
                    set_config('jit', 'off', false),
                    set_config('datestyle', 'ISO, YMD', false),
                    set_config('intervalstyle', 'postgres', false),
                    set_config('timezone', 'UTC', false),
                    set_config('extra_float_digits', '3', false),
                    set_config('bytea_output', 'hex', false),
                    set_config('array_nulls', 'on', false),
                    case when current_setting('transaction_timeout', true) is not null
                        then set_config('transaction_timeout', $2, false) end,
                    case when current_setting('idle_session_timeout', true) is not null
                        then set_config('idle_session_timeout', $2, false) end",
        )
        .bind(LOCK_TIMEOUT.min(time_left).as_millis().max(1).to_string())
        .bind(timeout)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
        // From 14 on, and not on every system.
        let watch = sqlx::query("select set_config($1, '10s', false) where current_setting($1, true) is not null")
            .bind("client_connection_check_interval")
            .execute(&mut *connection)
            .await;
        if let Err(error) = watch
            && !matches!(error, sqlx::Error::Database(_))
        {
            return Err(failed(error));
        }
        // A function ends after 15 minutes. The function is what the view pg_stat_activity shows, without the names.
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_get_activity(null)
             where datid = (select oid from pg_database where datname = current_database())
             and usesysid = quote_ident(session_user)::regrole::oid and pid <> pg_backend_pid()
             and (
                 application_name = $1
                 or starts_with(application_name, $2) and backend_start < now() - interval '16 minutes'
             )",
        )
        .bind(self.name(side))
        .bind(&self.window)
        .execute(connection)
        .await
        .map_err(|error| classify("end the sessions of earlier attempts", error))
        .map(|_| ())
    }
}

/// The server would cut a longer name, at its end, and nobody would know the session by it.
fn short(job: &str) -> &str {
    job.get(..MAX_JOB_BYTES).unwrap_or(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_cut() {
        let execution = Execution {
            job: "j".repeat(46),
            id: "arn:aws:states:eu-central-1:123456789012:execution:x:y".into(),
            name: "y".into(),
            started_at: "2024-01-01T00:00:00.000Z".into(),
            state_machine: "arn:aws:states:eu-central-1:123456789012:stateMachine:x".into(),
        };
        let window = Window { start: "2024-01-01T00:00:00Z".into(), end: "2024-01-02T00:00:00Z".into() };
        let sessions = Sessions::new(&execution, Some(&window));
        let (source, target) = (sessions.name(Side::Source), sessions.name(Side::Target));
        assert!(source.len() <= 63 && source.contains(" 20240101T000000Z "), "{source}");
        assert_ne!(source, target, "both may be in one database");
        assert!(Sessions::planning(&execution).name(Side::Source).len() <= 63);
        let other = Execution { id: format!("{}z", execution.id), ..execution };
        assert_ne!(Sessions::new(&other, Some(&window)).name(Side::Source), source);
    }
}

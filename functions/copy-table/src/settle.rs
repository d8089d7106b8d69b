//! Is a window complete at the source? `now()` is the start of a transaction, so a row may appear in a window long
//! after its end. Only the oldest open transaction tells; the server's own snapshot does not, since a transaction that
//! has not written yet is no part of it.

use crate::catalogue::Table;
use postgres::sql_error::classify;
use sluice::contract::copy_table::{Settle, Window, Windows};
use sluice::{Error, Kind, Result};
use sqlx::PgConnection;

/// What the sessions of copies are called at their sources, as [`Sessions`](crate::session::Sessions) names them: a
/// regular expression of PostgreSQL.
const READERS: &str = "^sluice .+ [0-9a-f]{6}r$";

/// Refuses a window that may still get rows. Asked before the snapshot is taken: a transaction that ends in between is
/// in the snapshot, one that begins in between is later than the window.
///
/// # Errors
/// `LockHeld` for a window that is not settled, `Misconfigured` where nobody can tell.
pub(crate) async fn require(connection: &mut PgConnection, windows: &Windows, window: &Window) -> Result<()> {
    let failed = |error| classify(format!("look whether {window} is settled"), error);
    let (is_over, in_recovery, replayed, sees_all): (bool, bool, bool, bool) = sqlx::query_as(
        // A second, because a transaction is seen a moment after it began.
        "select clock_timestamp() >= $1::timestamptz + make_interval(mins => $2, secs => 1),
                pg_is_in_recovery(),
                coalesce(pg_last_xact_replay_timestamp() >= $1::timestamptz + make_interval(mins => $2), false),
                pg_has_role('pg_read_all_stats', 'usage')",
    )
    .bind(&window.end)
    .bind(i32::try_from(windows.lag_minutes).unwrap_or(i32::MAX))
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let held = |why: String| Err(Error::new(Kind::LockHeld, format!("the window {window} is not settled: {why}")));
    if !is_over {
        return held(format!("by the source's clock its end is not {} minutes and a second ago", windows.lag_minutes));
    }
    match (windows.settle, in_recovery) {
        (Settle::Lag, true) if !replayed => {
            let minutes = windows.lag_minutes;
            held(format!(
                "the replica that is read has not replayed a transaction from {minutes} minutes after its end"
            ))
        }
        (Settle::Lag, _) => Ok(()),
        (Settle::Transactions, true) => {
            let what = "the source is a replica, which does not see its primary's transactions; use settle lag";
            Err(Error::new(Kind::Misconfigured, what))
        }
        (Settle::Transactions, false) if !sees_all => {
            let what =
                "the source's role cannot see others' transactions; grant it pg_read_all_stats, or use settle lag";
            Err(Error::new(Kind::Misconfigured, what))
        }
        (Settle::Transactions, false) => match open_transaction(connection, window).await.map_err(failed)? {
            Some(open) => held(open),
            None => Ok(()),
        },
    }
}

/// What of a source gets its rows by transactions that its server does not show, or not with the time at which the rows
/// were made: foreign tables and subscriptions, whose transactions are another server's, and materialized views, which
/// get rows of any time by a refresh. Also behind views, in partitions and in tables that inherit.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn unseen(connection: &mut PgConnection, windows: &Windows, table: &Table) -> Result<Option<String>> {
    if windows.settle == Settle::Lag {
        return Ok(None);
    }
    let unseen: Vec<String> = sqlx::query_scalar(
        "with recursive reached (oid) as (
             select $1::oid
             union
             select next.oid
             from reached
             cross join lateral (
                 select i.inhrelid from pg_inherits i where i.inhparent = reached.oid
                 union all
                 select d.refobjid
                 from pg_rewrite r
                 join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
                 where r.ev_class = reached.oid and d.refclassid = 'pg_class'::regclass
             ) next (oid)
         )
         select format('%s.%s, %s', n.nspname, c.relname, how.what)
         from reached
         join pg_class c using (oid)
         join pg_namespace n on n.oid = c.relnamespace
         cross join lateral (
             select case
                 when c.relkind = 'f' then 'a foreign table'
                 when c.relkind = 'm' then 'a materialized view'
                 when exists (select from pg_subscription_rel s where s.srrelid = c.oid) then 'filled by a subscription'
             end
         ) how (what)
         where how.what is not null
         order by 1",
    )
    .bind(table.oid)
    .fetch_all(connection)
    .await
    .map_err(|error| classify(format!("look what {} is made of", table.name), error))?;
    Ok((!unseen.is_empty()).then(|| {
        format!("the source reads {}: whether more rows come nobody sees there; use settle lag", unseen.join(", and "))
    }))
}

/// The oldest transaction that may still write a row of the window. Those that are prepared do not say when they began,
/// nor do sessions whose `track_activities` is off. Sessions of ours that only read are known by their names; others of
/// ours write, and this database may be the target of another job.
async fn open_transaction(connection: &mut PgConnection, window: &Window) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select what from (
             select since,
                    case when xact_start is null then
                        format(
                            'process %s of %s, which began %s s ago, does not say whether it is in a transaction: its \
                             track_activities is off',
                            pid, pg_get_userbyid(usesysid), extract(epoch from clock_timestamp() - since)::bigint
                        )
                    else
                        format(
                            'process %s of %s is in a transaction for %s s',
                            pid, pg_get_userbyid(usesysid), extract(epoch from clock_timestamp() - since)::bigint
                        )
                    end as what
             from pg_stat_get_activity(null),
                  lateral (select case when state = 'disabled' then backend_start else xact_start end as since) began
             where datid = (select oid from pg_database where datname = current_database())
             and since < $1::timestamptz and pid <> pg_backend_pid()
             and backend_type not in ('walsender', 'autovacuum worker', 'parallel worker')
             and not (usesysid = quote_ident(session_user)::regrole::oid and application_name ~ $2)
             union all
             select prepared,
                    format(
                        'a transaction of %s is prepared for %s s, and neither committed nor rolled back',
                        owner, extract(epoch from clock_timestamp() - prepared)::bigint
                    )
             from pg_prepared_xacts where database = current_database()
         ) open
         order by since
         limit 1",
    )
    .bind(&window.end)
    .bind(READERS)
    .fetch_optional(connection)
    .await
}

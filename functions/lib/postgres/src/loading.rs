//! What loads of all kinds hold to, so that they respect one another.

/// Lets one load of a table go on at a time, until its transaction ends: also of other jobs and kinds, and of a
/// function that was given up but still runs. `$1` is the table, `schema.table`.
pub const LOCK_TARGET: &str = "select pg_advisory_xact_lock(hashtextextended('sluice:' || $1, 0))";

/// The same, but beside others that share it.
pub const SHARE_TARGET: &str = "select pg_advisory_xact_lock_shared(hashtextextended('sluice:' || $1, 0))";

/// An expression that makes the commit of a transaction last: where the server's default is to answer before the commit
/// is written, a crash after the answer would lose rows that others already know of.
pub const LASTING_COMMIT: &str =
    "set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true)";

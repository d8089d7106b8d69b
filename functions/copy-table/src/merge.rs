//! What differs between the rows as they came and those of the table is written, and nothing else.
//!
//! First rows that are gone are deleted, then others updated, then new ones inserted. Rows that exchange the values of
//! another unique key, or refer to one another, may be refused in the midst of that, although they fit together in the
//! end. Constraints that can wait wait for the end. For those that cannot, all rows that differ are deleted and
//! inserted by one statement, at whose end they fit.

use crate::checksum::Checksum;
use crate::pump::Failure;
use crate::write::{STAGE, Write, Written};
use sluice::contract::copy_table::Mode;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// SQLSTATEs of constraints that rows may break on their way only: foreign keys, unique keys, exclusions.
const ON_THE_WAY: [&str; 3] = ["23503", "23505", "23P01"];

impl Write<'_> {
    /// Makes the table's rows those of the stage.
    ///
    /// # Errors
    /// `InvalidSource` for rows that break a constraint in the end, too; others as those of the target.
    pub(crate) async fn merge(&self, target: &mut PgConnection, sent: Checksum) -> Result<Written> {
        self.execute(target, "set constraints all deferred; savepoint sluice_merge").await?;
        let written = match self.by_turns(target, sent).await {
            Ok(written) => written,
            Err(error) if is_on_the_way(&error) => {
                self.execute(target, "rollback to savepoint sluice_merge").await?;
                self.refuse_repeated_key(target).await?;
                match self.must_not_go(target).await? {
                    Some(why) => self.by_turns_again(target, sent, why).await?,
                    None => self.at_once(target, sent).await.map_err(|error| self.failed(Failure::Target(error)))?,
                }
            }
            Err(error) => return Err(self.failed(Failure::Target(error))),
        };
        self.execute(target, "set constraints all immediate").await?;
        written.ok_or_else(|| self.repeated_key())
    }

    /// Once more, since the row in the way may be one that another window has brought meanwhile, and that is seen now.
    async fn by_turns_again(&self, target: &mut PgConnection, sent: Checksum, why: &str) -> Result<Option<Written>> {
        self.by_turns(target, sent).await.map_err(|error| {
            let is_on_the_way = is_on_the_way(&error);
            let error = self.failed(Failure::Target(error));
            if !is_on_the_way {
                return error;
            }
            let what = format!("{error}; rows that stand in each other's way are deleted and inserted anew, but {why}");
            Error::new(error.kind(), what)
        })
    }

    /// One kind of change after the other; `None` if a key was sent twice.
    async fn by_turns(&self, target: &mut PgConnection, sent: Checksum) -> Result<Option<Written>, sqlx::Error> {
        let (table, keys, list) = (&self.mapping.target, self.same_key("known", "staged"), self.mapping.list());
        let deleted = match self.spec.target.mode {
            Mode::Upsert => 0,
            Mode::ReplaceWindow | Mode::Replace => {
                let condition = self.of_target;
                let delete = format!(
                    "delete from {table} known
                     where {condition} and not exists (select from {STAGE} staged where {keys})"
                );
                run(target, delete).await?
            }
        };
        let newer = self.count_newer(target).await?;
        let changing = self.mapping.columns.iter().filter(|column| !column.is_fixed);
        let set: Vec<_> = changing.map(|column| format!("{name} = staged.{name}", name = column.name)).collect();
        let updated = match set.is_empty() {
            true => 0,
            false => {
                let (set, differs) = (set.join(", "), self.differs());
                run(target, format!("update {table} known set {set} from {STAGE} staged where {keys} and {differs}"))
                    .await?
            }
        };
        let insert = format!(
            "insert into {table} ({list}) overriding system value
             select {list} from {STAGE} staged
             where not exists (select from {table} known where {keys})"
        );
        let inserted = run(target, insert).await?;
        Ok(written(sent, [inserted, updated, deleted, newer]))
    }

    /// All changes by one statement. It sees the rows as they were before it, whatever it does to them, so a row that
    /// it deletes still counts as one that differs.
    async fn at_once(&self, target: &mut PgConnection, sent: Checksum) -> Result<Option<Written>, sqlx::Error> {
        let (table, keys, list) = (&self.mapping.target, self.same_key("known", "staged"), self.mapping.list());
        let differs = self.differs();
        // Under names of their own: the window's condition has the table's, without saying so.
        let key: Vec<_> = (1..=self.mapping.key.len()).map(|place| format!("sluice_key_{place}")).collect();
        let of_known = self.mapping.key.iter().map(|name| format!("known.{name}")).collect::<Vec<_>>().join(", ");
        let condition = self.of_target;
        let gone = match self.spec.target.mode {
            Mode::Upsert => String::new(),
            Mode::ReplaceWindow | Mode::Replace => {
                format!(
                    "union all
                     select {of_known}, false from {table} known
                     where {condition} and not exists (select from {STAGE} staged where {keys})"
                )
            }
        };
        let newer = self.count_newer(target).await?;
        let same = self.mapping.key.iter().zip(&key).map(|(name, ours)| format!("known.{name} = differing.{ours}"));
        let (same, key) = (same.collect::<Vec<_>>().join(" and "), key.join(", "));
        // A row that is gone may be another window's by the time that its lock is free, and then it stays.
        let query = format!(
            "with differing ({key}, sluice_is_sent) as (
                 select {of_known}, true from {table} known join {STAGE} staged on {keys} where {differs}
                 {gone}
             ),
             deleted as (
                 delete from {table} known using differing
                 where {same} and (differing.sluice_is_sent or {condition})
                 returning differing.sluice_is_sent
             ),
             inserted as (
                 insert into {table} ({list}) overriding system value
                 select {list} from {STAGE} staged
                 -- After all of them are deleted.
                 where (select count(*) from deleted) >= 0
                 and not exists (select from {table} known where {keys} and not ({differs}))
                 returning 1
             )
             select (select count(*) from inserted), (select count(*) from deleted where sluice_is_sent),
                    (select count(*) from deleted where not sluice_is_sent)"
        );
        let counts: (i64, i64, i64) = sqlx::query_as(AssertSqlSafe(query)).fetch_one(target).await?;
        let (written_anew, updated, deleted) =
            (counts.0.unsigned_abs(), counts.1.unsigned_abs(), counts.2.unsigned_abs());
        Ok(written_anew.checked_sub(updated).and_then(|inserted| written(sent, [inserted, updated, deleted, newer])))
    }

    /// Why rows that stay must not be deleted for a moment.
    async fn must_not_go(&self, target: &mut PgConnection) -> Result<Option<&'static str>> {
        let table = &self.mapping.target;
        let query = format!(
            "select has_table_privilege(c.oid, 'DELETE'),
                    (select count(*) from pg_attribute a
                     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''),
                    exists (
                        select from pg_constraint f
                        where f.contype = 'f' and f.confdeltype in ('c', 'n', 'd')
                        and (f.confrelid = c.oid or f.confrelid in (select relid from pg_partition_tree(c.oid)))
                    )
             from pg_class c where c.oid = '{}'::regclass",
            table.replace('\'', "''")
        );
        let (may_delete, columns, has_action): (bool, i64, bool) = sqlx::query_as(AssertSqlSafe(query))
            .fetch_one(target)
            .await
            .map_err(|error| self.failed(Failure::Target(error)))?;
        Ok(if !may_delete {
            Some("the user may not delete any")
        } else if usize::try_from(columns).is_ok_and(|columns| columns > self.mapping.columns.len()) {
            Some("the table has columns that are not copied, whose values would be lost")
        } else if has_action {
            Some("a foreign key that refers to them would delete or change other rows")
        } else {
            None
        })
    }

    /// That a row of the target, `known`, is to be changed: as records, else each column would be compared by its
    /// type's own operator, if it has one.
    fn differs(&self) -> String {
        let (known, staged) = (self.mapping.of("known"), self.mapping.of("staged"));
        let may_change = self.is_newer().map_or_else(String::new, |newer| format!(" and ({newer}) is not true"));
        format!("row({known})::record operator(pg_catalog.*<>) row({staged})::record{may_change}")
    }

    /// How many rows of the target stay because they are newer.
    ///
    /// # Errors
    /// Those of the target.
    pub(crate) async fn count_newer(&self, target: &mut PgConnection) -> Result<u64, sqlx::Error> {
        let Some(newer) = self.is_newer() else { return Ok(0) };
        let (table, keys) = (&self.mapping.target, self.same_key("known", "staged"));
        let count = format!("select count(*) from {table} known join {STAGE} staged on {keys} where {newer}");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(target).await?;
        Ok(count.unsigned_abs())
    }

    fn repeated_key(&self) -> Error {
        let what = format!("{}: a key of {} is not unique at the source", self.what, self.mapping.target);
        Error::new(Kind::InvalidSource, what)
    }

    /// Whether that is why the rows are not those that were sent. Only then it is looked at: it takes a pass of its
    /// own.
    ///
    /// # Errors
    /// `InvalidSource` if so.
    pub(crate) async fn refuse_repeated_key(&self, target: &mut PgConnection) -> Result<()> {
        let is_staged: bool = self.scalar(target, format!("select to_regclass('{STAGE}') is not null")).await?;
        if !is_staged || self.mapping.key.is_empty() {
            return Ok(());
        }
        let key = self.mapping.key.join(", ");
        let query = format!("select exists (select from {STAGE} group by {key} having count(*) > 1)");
        match self.scalar(target, query).await? {
            true => Err(self.repeated_key()),
            false => Ok(()),
        }
    }
}

/// Runs a statement; returns how many rows it wrote.
async fn run(target: &mut PgConnection, statement: String) -> Result<u64, sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement)).execute(target).await.map(|done| done.rows_affected())
}

fn is_on_the_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ON_THE_WAY.contains(&&*code))
}

/// Rows inserted, updated, deleted and newer; `None` if these are more than were sent.
fn written(sent: Checksum, [inserted, updated, deleted, newer]: [u64; 4]) -> Option<Written> {
    let unchanged = sent.rows.checked_sub(inserted + updated + newer)?;
    Some(Written { sent, inserted, updated, deleted, unchanged, newer })
}

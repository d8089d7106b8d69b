//! The table `sluice.targets`: what each job, by its state machine, has loaded into a table. It lies beside that table,
//! so it is restored with it; and it says nothing of a table that is gone, was emptied, or was made again by somebody;
//! nor, where the words of files are kept, of one that has none of their keys, as somebody has filled it again.
//! Nor does it of one that has lost a column, where nothing is kept by which to fill that again.
//!
//! A table is known again by its `oid`. That stays when a table is emptied, rewritten or renamed, and when the server
//! is upgraded or the database copied; a table that is dropped and made again gets another one. So does all that is
//! brought back from a dump, `sluice.targets` as well: then the two belong together, and the record holds.

use crate::identifiers::quoted;
use crate::sql_error::classify;
use sluice::contract::{Execution, Loaded, Record};
use sluice::spec::{OnOverlap, Print, Spec, Target};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// What there is of a target before a load.
#[derive(Debug)]
pub struct Known {
    /// The job's row in `sluice.targets`.
    pub written: Option<Loaded>,
    /// Whether the table had rows after that load.
    had_rows: bool,
    /// Whether it is there.
    is_there: bool,
    /// Whether it was made after that load, by somebody else.
    is_another: bool,
    /// Whether it has rows now.
    pub has_rows: bool,
    /// Whether these are others than it had.
    has_other_rows: bool,
    /// Whether it has lost columns that cannot be filled again by what is kept. A load finds that; nobody else looks.
    pub lacks_columns: bool,
}

impl Known {
    /// What is loaded; nothing if the table is gone or another one, or lost the rows or columns that it had.
    pub fn record(&self) -> Record {
        let has_lost_rows = self.had_rows && (!self.has_rows || self.has_other_rows);
        let is_lost = !self.is_there || self.is_another || has_lost_rows || self.lacks_columns;
        Record { loaded: self.written.clone().filter(|_| !is_lost), asked_at: None }
    }
}

/// Looks at a target, and changes nothing.
///
/// # Errors
/// As [`classify`].
pub async fn look(connection: &mut PgConnection, spec: &Spec, execution: &Execution) -> Result<Known> {
    let target = &spec.target;
    let failed = |error| classify(format!("look up what is loaded into {}", target.full_name()), error);
    let (is_known, is_there, may_select): (bool, bool, bool) = sqlx::query_as(
        "select to_regclass('sluice.targets') is not null, oid is not null,
                coalesce(has_table_privilege(oid, 'SELECT'), false)
         from (select to_regclass(format('%I.%I', $1::text, $2::text)) as oid) as target",
    )
    .bind(&target.schema)
    .bind(&target.table)
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    // Where it may not be read, the check before a load says so.
    let has_rows = is_there && (!may_select || has_rows(connection, target).await?);
    let mut known = Known {
        written: None,
        had_rows: false,
        is_there,
        is_another: false,
        has_rows,
        has_other_rows: false,
        lacks_columns: false,
    };
    if !is_known {
        return Ok(known);
    }
    let row = sqlx::query(
        // The time as `sluice::time` has it. A record of an earlier version lacks what came later.
        "select generation, to_char(detected_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), on_overlap,
                reading, selection::text, has_rows,
                coalesce(
                    (to_jsonb(known) ->> 'record_oid')::oid = known.tableoid
                        and (to_jsonb(known) ->> 'table_oid')::oid <> to_regclass(format('%I.%I', $3::text, $4::text)),
                    false
                ),
                coalesce((to_jsonb(known) ->> 'allows_repeated')::boolean, false)
         from sluice.targets known where target = $1 and machine = $2",
    )
    .bind(target.full_name())
    .bind(execution.state_machine_name())
    .bind(&target.schema)
    .bind(&target.table)
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed)?;
    if let Some(row) = row {
        let broken = |error| Error::caused(Kind::InvariantBroken, "sluice.targets: not what a load writes", error);
        let print = Print {
            target: target.full_name(),
            selection: serde_json::from_str(row.get(4)).map_err(broken)?,
            reading: row.get(3),
            on_overlap: serde_json::from_value(row.get::<String, _>(2).into()).map_err(broken)?,
            allows_repeated: row.get(7),
        };
        let keeps_words = print.on_overlap.keeps_words();
        known.written = Some(Loaded { generation: row.get(0), detected_at: row.get(1), print });
        (known.had_rows, known.is_another) = (row.get(5), row.get(6));
        if keeps_words && known.had_rows && has_rows && may_select {
            known.has_other_rows = has_other_rows(connection, spec).await?;
        }
    }
    Ok(known)
}

/// Whether a table has none of the keys of which words of files are kept. False where that cannot be told: there are no
/// words, or they are of other keys, or keys are deleted.
async fn has_other_rows(connection: &mut PgConnection, spec: &Spec) -> Result<bool> {
    let (target, name) = (&spec.target, spec.target.full_name());
    let failed = |error| classify(format!("look for rows of {name} that were loaded"), error);
    let have_same_keys: bool = sqlx::query_scalar(
        "select count(*) = cardinality($4::text[])
         from pg_attribute word join pg_attribute known using (attname, atttypid, attcollation)
         where word.attrelid = to_regclass(format('sluice.%I', $1::text))
             and known.attrelid = to_regclass(format('%I.%I', $2::text, $3::text))
             and attname = any($4) and not word.attisdropped and not known.attisdropped",
    )
    .bind(&name)
    .bind(&target.schema)
    .bind(&target.table)
    .bind(&spec.shape.keys)
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    // Where rows delete their keys the table may rightly have none of them.
    let may_be_deleted = spec.shape.rows.as_ref().is_some_and(|rows| rows.delete_when.is_some());
    if !have_same_keys || may_be_deleted {
        return Ok(false);
    }
    let keys = spec.shape.keys.iter().map(|key| quoted(key)).collect::<Result<Vec<_>>>()?.join(", ");
    let (words, table) = (quoted(&name)?, format!("{}.{}", quoted(&target.schema)?, quoted(&target.table)?));
    // Mostly the first word tells. Of `exists` the planner would take the cost for that of all of them.
    sqlx::query_scalar(AssertSqlSafe(format!(
        "select (select true from sluice.{words} limit 1) is not null
             and (select true from sluice.{words} word join {table} known using ({keys}) limit 1) is null"
    )))
    .fetch_one(connection)
    .await
    .map_err(failed)
}

async fn has_rows(connection: &mut PgConnection, target: &Target) -> Result<bool> {
    let table = format!("{}.{}", quoted(&target.schema)?, quoted(&target.table)?);
    // Those of partitions are its own, those of tables that inherit from it are not.
    let has_rows = format!(
        "select exists (select from only {table}) or exists (
             select from {table} where (select relkind = 'p' from pg_class where oid = $1::text::regclass)
         )"
    );
    sqlx::query_scalar(AssertSqlSafe(has_rows))
        .bind(&table)
        .fetch_one(connection)
        .await
        .map_err(|error| classify(format!("look for rows of {}", target.full_name()), error))
}

/// Refuses a table that another job loads, if one of the two keeps the words of files: what the other one writes would
/// be lost by the next load. What others have loaded is forgotten if nothing is left of it.
///
/// # Errors
/// `Misconfigured`, naming the other job; others as [`classify`].
pub async fn claim(connection: &mut PgConnection, target: &Target, execution: &Execution, known: &Known) -> Result<()> {
    let (name, machine) = (target.full_name(), execution.state_machine_name());
    let failed = |error| classify(format!("look up who else loads {name}"), error);
    if !known.has_rows || known.lacks_columns {
        let lost = sqlx::query("delete from sluice.targets where target = $1 and machine <> $2 and has_rows");
        lost.bind(&name).bind(machine).execute(&mut *connection).await.map_err(failed)?;
    }
    let other: Option<(String, String, String)> = sqlx::query_as(
        "select job, machine, on_overlap from sluice.targets
         where target = $1 and machine <> $2 and ($3 or on_overlap <> $4)
         order by machine limit 1",
    )
    .bind(&name)
    .bind(machine)
    .bind(target.on_overlap.keeps_words())
    .bind(OnOverlap::LastRun.as_str())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    let Some((job, machine, on_overlap)) = other else { return Ok(()) };
    let what = format!(
        "target {name}: the job {job} of the state machine {machine} loads it with on_overlap {on_overlap}, this one \
         with {}; several jobs share a table only if each of them has last_run; if that job is gone, delete its row in \
         sluice.targets and start with {{\"reload\": true}}",
        target.on_overlap.as_str()
    );
    Err(Error::new(Kind::Misconfigured, what))
}

/// Whether words that are kept of a target, in which this job has no row, are its own all the same: from a version that
/// wrote no such rows. Its runs then have no generation, and there are none of another state machine.
///
/// # Errors
/// As [`classify`].
pub async fn has_words_of_earlier_version(
    connection: &mut PgConnection,
    target: &Target,
    execution: &Execution,
) -> Result<bool> {
    sqlx::query_scalar(
        "select coalesce(bool_and(generation = '' and split_part(execution, ':', 7) = $2), false)
         from sluice.runs where target = $1 and committed_at is not null",
    )
    .bind(target.full_name())
    .bind(execution.state_machine_name())
    .fetch_one(connection)
    .await
    .map_err(|error| classify(format!("look up who has loaded {}", target.full_name()), error))
}

/// Forgets what other jobs have loaded into a target, so that their next runs look at all their files again. Returns
/// the names of these jobs.
///
/// # Errors
/// As [`classify`].
pub async fn forget_others(
    connection: &mut PgConnection,
    target: &Target,
    execution: &Execution,
) -> Result<Vec<String>> {
    sqlx::query_scalar(
        "with gone as (delete from sluice.targets where target = $1 and machine <> $2 returning job)
         select job from gone order by job",
    )
    .bind(target.full_name())
    .bind(execution.state_machine_name())
    .fetch_all(connection)
    .await
    .map_err(|error| classify(format!("forget what others have loaded into {}", target.full_name()), error))
}

/// The name of a new generation: a random UUID.
///
/// # Errors
/// As [`classify`].
pub async fn new_generation(connection: &mut PgConnection) -> Result<String> {
    sqlx::query_scalar("select gen_random_uuid()::text")
        .fetch_one(connection)
        .await
        .map_err(|error| classify("name a generation", error))
}

/// Writes down what is loaded, once it is.
///
/// # Errors
/// As [`classify`].
pub async fn write(
    connection: &mut PgConnection,
    target: &Target,
    execution: &Execution,
    loaded: &Loaded,
) -> Result<()> {
    let has_rows = has_rows(connection, target).await?;
    let Loaded { generation, detected_at, print } = loaded;
    let selection = serde_json::to_string(&print.selection)
        .map_err(|error| Error::caused(Kind::InvariantBroken, "encode the selection", error))?;
    sqlx::query(
        "insert into sluice.targets
             (target, machine, job, generation, detected_at, on_overlap, reading, selection, has_rows,
              table_oid, record_oid, allows_repeated)
         values ($1, $2, $3, $4, $5::timestamptz, $6, $7, $8::jsonb, $9,
                 to_regclass(format('%I.%I', $10::text, $11::text)), 'sluice.targets'::regclass, $12)
         on conflict (target, machine) do update set
             (job, generation, detected_at, on_overlap, reading, selection, has_rows, table_oid, record_oid,
              allows_repeated) =
             row (excluded.job, excluded.generation, excluded.detected_at, excluded.on_overlap, excluded.reading,
                  excluded.selection, excluded.has_rows, excluded.table_oid, excluded.record_oid,
                  excluded.allows_repeated)",
    )
    .bind(&print.target)
    .bind(execution.state_machine_name())
    .bind(&execution.job)
    .bind(generation)
    .bind(detected_at)
    .bind(print.on_overlap.as_str())
    .bind(&print.reading)
    .bind(selection)
    .bind(has_rows)
    .bind(&target.schema)
    .bind(&target.table)
    .bind(print.allows_repeated)
    .execute(connection)
    .await
    .map_err(|error| classify("write down what is loaded", error))
    .map(|_| ())
}

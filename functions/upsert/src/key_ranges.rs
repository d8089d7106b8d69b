//! Which files may have filled which keys: the table `sluice.key_ranges`, from which key to which each loaded file
//! goes. Where nothing else is kept of files, it is what a run can say before it overwrites what others have written.
//!
//! Keys are compared as texts, by their bytes, with letters of ASCII in lower case. So a key that a file spells in
//! another way than the table, as a `uuid` in upper case, is the same; and what pivot, which does not know the column's
//! type, says of a file's least and greatest key holds.

use crate::files::{self, FILES};
use crate::load::Load;
use crate::merged::{FIRST_KEYS, Keys, NAMED, named};
use crate::staging::STAGING;
use crate::target::Target;
use postgres::identifiers::Names;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::{FILE_COLUMN, LoadedFile};
use sqlx::{AssertSqlSafe, PgConnection};

/// Files that this run has not loaded, of a target, a state machine and a `detected_at`.
const OTHERS: &str = "target = $1 and (machine, detected_at) <> ($2, $3::timestamptz)";

/// The key of a row of a table or alias as keys are compared.
fn compared(names: &Names, alias: &str) -> String {
    format!("lower({} collate \"C\")", names.shown(alias))
}

/// Forgets the ranges of a target, of which nothing is kept; those of other jobs only if nothing is kept of these.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn forget(
    connection: &mut PgConnection,
    target: &Target<'_>,
    load: &Load<'_>,
    of_others: bool,
) -> Result<()> {
    sqlx::query("delete from sluice.key_ranges where target = $1 and (machine = $2 or $3)")
        .bind(&target.full_name)
        .bind(load.input.execution.state_machine_name())
        .bind(of_others)
        .execute(connection)
        .await
        .map_err(|error| classify("forget the ranges of keys", error))
        .map(|_| ())
}

/// Writes down the ranges of the run's files. A key that a file no longer has stays in the table, so a range only
/// grows.
///
/// # Errors
/// As [`classify`], and [`Results::files`](crate::results::Results::files).
pub(crate) async fn write(
    connection: &mut PgConnection,
    target: &Target<'_>,
    load: &Load<'_>,
    bucket: &str,
) -> Result<()> {
    if target.layout.per_file {
        return write_staged(connection, target, load, bucket).await;
    }
    for result in &load.results.batches {
        let files = load.results.files(result.output.index).await?;
        let (mut names, mut first_keys, mut last_keys) = (Vec::new(), Vec::new(), Vec::new());
        for LoadedFile { file, first_key, last_key, .. } in &files.loaded {
            if let (Some(first_key), Some(last_key)) = (first_key, last_key) {
                names.push(file.key.as_str());
                first_keys.push(first_key.as_str());
                last_keys.push(last_key.as_str());
            }
        }
        if names.is_empty() {
            continue;
        }
        sqlx::query(
            "insert into sluice.key_ranges as known (target, machine, detected_at, file, first_key, last_key)
             select $1, $2, $3::timestamptz, * from unnest($4::text[], $5::text[], $6::text[])
             on conflict (target, machine, file) do update set
                 detected_at = excluded.detected_at,
                 first_key = least(known.first_key, excluded.first_key),
                 last_key = greatest(known.last_key, excluded.last_key)",
        )
        .bind(&target.full_name)
        .bind(load.input.execution.state_machine_name())
        .bind(&load.manifest.detected_at)
        .bind(names)
        .bind(first_keys)
        .bind(last_keys)
        .execute(&mut *connection)
        .await
        .map_err(|error| classify("write down the ranges of keys", error))?;
    }
    Ok(())
}

/// The same of files that are kept apart, whose keys are staged.
async fn write_staged(connection: &mut PgConnection, target: &Target<'_>, load: &Load<'_>, bucket: &str) -> Result<()> {
    let key = compared(&target.names, "staged");
    sqlx::query(AssertSqlSafe(format!(
        "insert into sluice.key_ranges as known (target, machine, detected_at, file, first_key, last_key)
         select $1, $2, $3::timestamptz, substr(file.name, $4), min({key}), max({key})
         from {STAGING} staged join {FILES} file on file.number = staged.{FILE_COLUMN}
         group by file.name
         on conflict (target, machine, file) do update set
             detected_at = excluded.detected_at,
             first_key = least(known.first_key, excluded.first_key),
             last_key = greatest(known.last_key, excluded.last_key)"
    )))
    .bind(&target.full_name)
    .bind(load.input.execution.state_machine_name())
    .bind(&load.manifest.detected_at)
    .bind(i32::try_from(files::name(bucket, "").chars().count() + 1).unwrap_or(i32::MAX))
    .execute(connection)
    .await
    .map_err(|error| classify("write down the ranges of keys", error))
    .map(|_| ())
}

/// What is to be said before the rows of `source` overwrite those of the target: which of them other files may have
/// filled, with these keys. Costs nothing where ranges do not overlap.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn note(
    connection: &mut PgConnection,
    target: &Target<'_>,
    load: &Load<'_>,
    source: &str,
) -> Result<Option<(String, Keys)>> {
    let machine = load.input.execution.state_machine_name();
    let failed = |error| classify("look for keys that other files have filled", error);
    let is_overlapping: bool = sqlx::query_scalar(AssertSqlSafe(format!(
        "with run as (
             select min(first_key) as first_key, max(last_key) as last_key from sluice.key_ranges
             where target = $1 and machine = $2 and detected_at = $3::timestamptz
         ),
         others as (select first_key, last_key from sluice.key_ranges where {OTHERS})
         select exists (
             select from others, run where others.first_key <= run.last_key and others.last_key >= run.first_key
         )"
    )))
    .bind(&target.full_name)
    .bind(machine)
    .bind(&load.manifest.detected_at)
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    if !is_overlapping {
        return Ok(None);
    }
    // Ranges that overlap one another are put together, so that a key is in at most one.
    sqlx::query(AssertSqlSafe(format!(
        "create temporary table sluice_filled on commit drop as
             with others as (
                 select first_key, last_key, max(last_key) over (
                     order by first_key, last_key rows between unbounded preceding and 1 preceding
                 ) as last_key_before
                 from sluice.key_ranges where {OTHERS}
             ),
             numbered as (
                 select first_key, last_key, count(*) filter (where last_key_before >= first_key is not true) over (
                     order by first_key, last_key
                 ) as number
                 from others
             )
             select min(first_key) as first_key, max(last_key) as last_key from numbered group by number"
    )))
    .bind(&target.full_name)
    .bind(machine)
    .bind(&load.manifest.detected_at)
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    let names = &target.names;
    let (Names { rows, .. }, keys, same_key) = (names, names.keys_of("known"), names.same_key("known", "staged"));
    // What is the same to the database may look otherwise in the table, as `1.50` in one that somebody filled.
    let is_one_text = target.has_one_text_per_key();
    let [known, staged] = ["known", "staged"].map(|alias| compared(names, alias));
    let is_filled = |key: &String| {
        format!(
            "{key} <= (
                 select filled.last_key from pg_temp.sluice_filled filled
                 where filled.first_key <= {key} order by filled.first_key desc limit 1
             )"
        )
    };
    let (is_filled, other_text, texts) = match is_one_text {
        true => (is_filled(&known), String::new(), compared(names, "found")),
        false => (
            format!("{} or {}", is_filled(&known), is_filled(&staged)),
            format!(", {staged} as sluice_staged_key"),
            format!("{}, sluice_staged_key", compared(names, "found")),
        ),
    };
    sqlx::raw_sql("alter table pg_temp.sluice_filled add primary key (first_key); analyze pg_temp.sluice_filled")
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let (shown, in_order) = (names.shown("found"), names.keys_of("found"));
    let (count, first, mut texts): (i64, Vec<String>, Vec<String>) = sqlx::query_as(AssertSqlSafe(format!(
        "with found as (
             select {keys}{other_text} from {source} staged join {rows} known on {same_key} where {is_filled}
         ),
         named as (
             select {shown} as shown, array[{texts}] as texts from found order by {in_order} limit {FIRST_KEYS}
         )
         select (select count(*) from found), array(select shown from named), array(select unnest(texts) from named)"
    )))
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let filled = Keys::new((count, first));
    if filled.count == 0 {
        return Ok(None);
    }
    // The texts of those keys that are told.
    texts.truncate(if is_one_text { NAMED } else { 2 * NAMED });
    let files: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
        "select file from sluice.key_ranges
         where {OTHERS}
         and exists (select from unnest($4::text[]) as key where key collate \"C\" between first_key and last_key)
         order by file limit {NAMED} + 1"
    )))
    .bind(&target.full_name)
    .bind(machine)
    .bind(&load.manifest.detected_at)
    .bind(texts)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let note = format!(
        "{} that other files may have filled {} overwritten{}; by these files: {}",
        filled.counted(),
        filled.were(),
        filled.told(target.names.keys.len()),
        named(&files[..files.len().min(NAMED)], files.len())
    );
    Ok(Some((note, filled)))
}

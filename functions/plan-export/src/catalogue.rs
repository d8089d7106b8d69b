//! What Redshift has: the target's columns, and what loads keep for themselves. Makes what is missing, if it may.

use crate::types::TargetColumn;
use crate::windows::Loaded;
use jiff::Timestamp;
use redshift::bookkeeping::{self, LOADS};
use redshift::text::{literal, on_one_line};
use redshift::warehouse::Warehouse;
use sluice::contract::mysql_to_redshift::PlannedWindow;
use sluice::{Error, Kind, Result};
use std::time::{Duration, Instant};

/// A database of Redshift, and until when it may answer.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue<'a> {
    /// Where it is.
    pub warehouse: &'a Warehouse,
    /// Until when all statements together may take.
    pub deadline: Instant,
}

impl Catalogue<'_> {
    /// How long the next statement may take.
    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The columns of a table, in their order; none if it is not there, or may not be seen.
    ///
    /// # Errors
    /// As [`Warehouse::run`].
    pub async fn columns(&self, schema: &str, table: &str) -> Result<Vec<TargetColumn>> {
        let query = format!(
            "select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable,
                    case when column_default is null then 0 else 1 end
             from svv_columns
             where table_schema = {} and table_name = {}
             order by ordinal_position",
            literal(&schema.to_lowercase()),
            literal(&table.to_lowercase())
        );
        let rows = self.warehouse.run("look up the target's columns", &[query], self.time_left()).await?;
        rows.into_iter().map(column).collect()
    }

    /// Whether what loads of a job keep for themselves is there.
    ///
    /// # Errors
    /// As [`Warehouse::run`].
    pub async fn is_prepared(&self, job: &str) -> Result<bool> {
        let query = format!(
            "select distinct table_name from svv_columns
             where table_schema = 'sluice' and table_name in ('loads', {})",
            literal(&bookkeeping::lock_name(job))
        );
        let rows = self.warehouse.run("look up the table of loads", &[query], self.time_left()).await?;
        Ok(rows.len() == 2)
    }

    /// Makes tables.
    ///
    /// # Errors
    /// `Misconfigured`, with the statements that an administrator runs instead, if it may not be done.
    pub async fn create(&self, what: &str, statements: &[String]) -> Result<()> {
        match self.warehouse.run(what, statements, self.time_left()).await {
            Err(error) if error.kind() == Kind::Misconfigured => {
                let statements: Vec<_> = statements.iter().map(|text| on_one_line(text)).collect();
                Err(Error::new(
                    Kind::Misconfigured,
                    format!("{error}; an administrator runs: {}", statements.join("; ")),
                ))
            }
            done => done.map(drop),
        }
    }

    /// What a job has loaded into a target.
    ///
    /// # Errors
    /// As [`Warehouse::run`].
    pub async fn loaded(&self, job: &str, target: &str) -> Result<Loaded> {
        let query = format!(
            "select to_char(window_from, 'YYYY-MM-DD HH24:MI:SS'), to_char(window_to, 'YYYY-MM-DD HH24:MI:SS'),
                    to_char(max(exported_at), 'YYYY-MM-DD HH24:MI:SS')
             from {LOADS}
             where job = {} and target = {}
             group by window_from, window_to",
            literal(job),
            literal(target)
        );
        let mut loaded = Loaded::default();
        for row in self.warehouse.run("look up what is loaded", &[query], self.time_left()).await? {
            match row.as_slice() {
                [Some(from), Some(to), _] => loaded.windows.push([from.clone(), to.clone()]),
                [None, None, Some(at)] => {
                    loaded.whole_at = format!("{}Z", at.replace(' ', "T")).parse::<Timestamp>().ok();
                }
                _ => return Err(Error::new(Kind::InvariantBroken, format!("{LOADS} has a window with one end"))),
            }
        }
        Ok(loaded)
    }

    /// Of each of these windows the load whose rows were read last, if there is one, and of the whole table too.
    ///
    /// # Errors
    /// As [`Warehouse::run`].
    pub async fn newest(&self, job: &str, target: &str, windows: &[&PlannedWindow]) -> Result<Vec<Load>> {
        let bounds = windows.iter().filter_map(|window| window.bounds.as_ref());
        let ways =
            bounds.map(|[from, to]| format!(" or (window_from = {} and window_to = {})", literal(from), literal(to)));
        let query = format!(
            "select window_from, window_to, run, exported_at, rows_exported
             from (
                 select to_char(window_from, 'YYYY-MM-DD HH24:MI:SS') as window_from,
                        to_char(window_to, 'YYYY-MM-DD HH24:MI:SS') as window_to, run,
                        to_char(exported_at, 'YYYY-MM-DD HH24:MI:SS') as exported_at, rows_exported,
                        row_number() over (partition by window_from, window_to order by exported_at desc) as place
                 from {LOADS}
                 where job = {} and target = {} and (window_from is null{})
             ) as ordered
             where place = 1",
            literal(job),
            literal(target),
            ways.collect::<String>()
        );
        let rows = self.warehouse.run("look up the newest loads", &[query], self.time_left()).await?;
        rows.into_iter().map(load).collect()
    }
}

/// A load that is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Its bounds; `None` of the whole table.
    pub bounds: Option<[String; 2]>,
    /// Which execution's it is, by its id, and a slash and the number of its window.
    pub run: String,
    /// When its rows were read, in UTC as `2024-01-01 00:00:00`.
    pub exported_at: String,
    /// How many there were.
    pub rows: String,
}

fn load(row: Vec<Option<String>>) -> Result<Load> {
    match <[Option<String>; 5]>::try_from(row) {
        Ok([from, to, Some(run), Some(exported_at), Some(rows)]) => {
            Ok(Load { bounds: from.zip(to).map(|(from, to)| [from, to]), run, exported_at, rows })
        }
        _ => Err(Error::new(Kind::InvariantBroken, format!("{LOADS} has a row with a NULL"))),
    }
}

fn column(row: Vec<Option<String>>) -> Result<TargetColumn> {
    let number = |place: usize| row.get(place).cloned().flatten().and_then(|text| text.parse::<u32>().ok());
    let text = |place: usize| row.get(place).cloned().flatten().unwrap_or_default();
    if row.len() != 7 {
        return Err(Error::new(Kind::InvariantBroken, "a column of the catalogue has not seven fields"));
    }
    Ok(TargetColumn {
        name: text(0),
        data_type: text(1).to_lowercase(),
        bytes: number(2).filter(|bytes| *bytes > 0),
        precision: number(3),
        scale: number(4),
        is_nullable: text(5).eq_ignore_ascii_case("yes"),
        has_default: text(6) == "1",
    })
}

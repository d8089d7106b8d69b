//! Reads the whole table for an audit: rows and their hashes by parts of the key. Nothing of a row is kept.

use crate::cells::{Cells, Refusal};
use crate::export::{place_of, refused};
use crate::query::{Query, quoted};
use crate::rows::{Rows, begin};
use crate::sql_error::classify;
use md5::{Digest, Md5};
use sluice::contract::mysql_to_redshift::{
    Form, NO_KEY, Plan, PlannedWindow, Read, SourceAudit, SourcePart, Split, Verify, hashed_columns,
};
use sluice::{Error, Kind, Result};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Executor, Row};
use std::collections::BTreeMap;
use std::time::Instant;

/// After how many rows the clock is looked at.
const ROWS_PER_LOOK: u64 = 1_024;

/// Reads all rows at one moment, or those behind what an earlier call has left over, until `deadline`.
///
/// # Errors
/// As [`Reading::run`](crate::export::Reading::run).
pub async fn read(
    connection: &mut MySqlConnection,
    plan: &Plan,
    before: Option<SourceAudit>,
    deadline: Instant,
) -> Result<SourceAudit> {
    let name = plan.source.join(".");
    let after = before.as_ref().and_then(|audit| audit.after.as_deref());
    // By the key alone, all windows at once: which rows of them are loaded is looked at row by row.
    let whole = Plan { cursor: None, ..plan.clone() };
    let query = Query::new(&whole, &PlannedWindow::default(), after)
        .ok_or_else(|| Error::new(Kind::InvariantBroken, format!("{name}: the place to go on from is none")))?;
    let read_at = begin(connection).await?;
    let mut audit = match before {
        Some(before) => SourceAudit { is_consistent: false, after: None, ..before },
        None => SourceAudit {
            read_at,
            is_consistent: true,
            split: split(connection, plan).await?,
            parts: BTreeMap::new(),
            rows_gone: 0,
            rows_read: 0,
            after: None,
        },
    };
    let mut table = Table::new(plan, &audit.split);
    let mut rows = Rows::new(connection, &query.text, name);
    while let Some(row) = rows.next().await? {
        audit.rows_read += 1;
        let values = |place: usize| rows.value(&row, place + 1);
        let number = audit.rows_read;
        let (part, seen) = table.see(values, |place, refusal| refused(&whole, &query, number, place, refusal))?;
        match seen {
            Seen::Gone => audit.rows_gone += 1,
            Seen::NotDue => audit.parts.entry(part).or_default().rows_not_due += 1,
            Seen::Hashed => add(audit.parts.entry(part).or_default(), &table.hashes),
        }
        if audit.rows_read % ROWS_PER_LOOK == 0 && Instant::now() >= deadline {
            audit.after = Some(place_of(&whole, &query, &row, audit.rows_read)?);
            break;
        }
    }
    Ok(audit)
}

fn add(part: &mut SourcePart, hashes: &[u32]) {
    part.rows += 1;
    part.hashes.resize(hashes.len(), 0);
    for (sum, hash) in part.hashes.iter_mut().zip(hashes) {
        *sum += u64::from(*hash);
    }
}

/// How the key is cut: by ranges of its first whole number, else by the MD5 of the first column that has one.
async fn split(connection: &mut MySqlConnection, plan: &Plan) -> Result<Split> {
    let key = || plan.key.iter().filter_map(|name| plan.columns.iter().find(|column| column.name == *name));
    let is_number = |form: Form| matches!(form, Form::Integer { .. });
    if let Some(column) = key().find(|column| is_number(column.form) && column.read == Read::Plain) {
        let name = quoted(&column.name);
        let [schema, table] = plan.source.each_ref().map(|name| quoted(name));
        let text = format!("select cast(min({name}) as char), cast(max({name}) as char) from {schema}.{table}");
        let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(text))).await;
        let row = row.map_err(|error| classify("look up the first and the last key", error))?;
        let least = number(&row, 0).zip(number(&row, 1));
        let (least, greatest) = least.unwrap_or_default();
        if let Some(split) = Split::ranges(&column.name, least, greatest) {
            return Ok(split);
        }
    }
    let has_text = |form: Form| !matches!(form, Form::Boolean | Form::Float | Form::Super | Form::Time);
    let text = key().find(|column| has_text(column.form));
    Ok(text.map_or(Split::Whole, |column| Split::Digits { column: column.name.clone() }))
}

fn number(row: &MySqlRow, place: usize) -> Option<i64> {
    let bytes: Option<&[u8]> = row.try_get_unchecked(place).ok()?;
    std::str::from_utf8(bytes?).ok()?.parse().ok()
}

/// What becomes of a row.
#[derive(Debug, PartialEq)]
enum Seen {
    /// The source marks it as deleted.
    Gone,
    /// It is in no window that is loaded.
    NotDue,
    /// It is compared: see [`Table::hashes`].
    Hashed,
}

/// The columns, and one row at a time.
struct Table<'a> {
    columns: Vec<Cells>,
    null: &'a [u8],
    windows: &'a [PlannedWindow],
    cursor: Option<usize>,
    deleted: Option<usize>,
    split: Split,
    split_by: Option<usize>,
    hashed: Vec<Vec<usize>>,
    /// Where what is hashed of each column stands in `text`.
    places: Vec<std::ops::Range<usize>>,
    text: String,
    cell: Vec<u8>,
    /// Of the last row, 32 bits of the MD5 of each group of columns.
    hashes: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(plan: &'a Plan, split: &Split) -> Self {
        let place = |name: &String| plan.columns.iter().position(|column| column.name == *name);
        let split_by = match split {
            Split::Ranges { column, .. } | Split::Digits { column } => place(column),
            Split::Whole => None,
        };
        let cells = |column| Cells::new(column, plan.policies, Verify::Hash);
        Self {
            columns: plan.columns.iter().map(cells).collect(),
            null: plan.null_marker.as_bytes(),
            windows: &plan.windows,
            cursor: plan.cursor.as_ref().and_then(place),
            deleted: plan.deleted.as_ref().and_then(place),
            split: split.clone(),
            split_by,
            hashed: hashed_columns(plan),
            places: Vec::with_capacity(plan.columns.len()),
            text: String::new(),
            cell: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// Looks at a row: its part, and what becomes of it. `refused` makes an error of a value that cannot go over.
    fn see<'r>(
        &mut self,
        value: impl Fn(usize) -> Result<Option<&'r [u8]>>,
        refused: impl Fn(usize, Refusal) -> Error,
    ) -> Result<(i64, Seen)> {
        self.text.clear();
        self.places.clear();
        let (mut part, mut is_gone) = (if self.split == Split::Whole { 0 } else { NO_KEY }, false);
        // Of a row whose window is not loaded nobody has seen whether its values can go over.
        let is_due = match self.cursor {
            None => true,
            Some(cursor) => value(cursor)?.is_some_and(|cursor| is_within(self.windows, cursor)),
        };
        for place in 0..self.columns.len() {
            let (begins, value) = (self.text.len(), value(place)?);
            self.cell.clear();
            let is_split = self.split_by == Some(place);
            if !is_due && !is_split {
                self.places.push(begins..begins);
                continue;
            }
            let written = self.columns[place].write_for_audit(&mut self.cell, &mut self.text, value, self.null);
            let hash = written.map_err(|refusal| refused(place, refusal))?;
            self.places.push(begins..self.text.len());
            let is_null = &self.text[begins..] == "-";
            if is_split && !is_null {
                part = self.part(&self.cell, hash).unwrap_or(NO_KEY);
            }
            if self.deleted == Some(place) && !is_null {
                is_gone = is_mark(&self.cell);
            }
        }
        let seen = match (is_due, is_gone) {
            (false, _) => Seen::NotDue,
            (_, true) => Seen::Gone,
            _ => Seen::Hashed,
        };
        if seen == Seen::Hashed {
            self.hash();
        }
        Ok((part, seen))
    }

    fn part(&self, cell: &[u8], hash: Option<u32>) -> Option<i64> {
        match &self.split {
            Split::Whole => Some(0),
            // The first three of its eight digits.
            Split::Digits { .. } => hash.map(|hash| i64::from(hash >> 20)),
            Split::Ranges { least, greatest, width, .. } => {
                let number = std::str::from_utf8(cell).ok()?.parse().ok()?;
                Some(Split::of_number(*least, *greatest, *width, number))
            }
        }
    }

    fn hash(&mut self) {
        self.hashes.clear();
        for columns in &self.hashed {
            let mut md5 = Md5::new();
            for (number, place) in columns.iter().enumerate() {
                if number > 0 {
                    md5.update(b"|");
                }
                md5.update(&self.text[self.places[*place].clone()]);
            }
            let digest = md5.finalize();
            self.hashes.push(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]));
        }
    }
}

/// Whether a cursor is in a window. As texts, which are as long as one another but for decimals at the end.
fn is_within(windows: &[PlannedWindow], cursor: &[u8]) -> bool {
    let bounds = |place: usize| windows.get(place).and_then(|window| window.bounds.as_ref());
    let begun =
        windows.partition_point(|window| window.bounds.as_ref().is_none_or(|[from, _]| from.as_bytes() <= cursor));
    match begun.checked_sub(1) {
        Some(last) => bounds(last).is_none_or(|[_, to]| cursor < to.as_bytes()),
        None => false,
    }
}

/// Whether a value that is there marks its row as deleted: any date, and a number that is not 0.
fn is_mark(cell: &[u8]) -> bool {
    cell.iter().any(|byte| (b'1'..=b'9').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::contract::mysql_to_redshift::{PlannedColumn, Policies};

    fn window(from: &str, to: &str) -> PlannedWindow {
        PlannedWindow { bounds: Some([from.to_owned(), to.to_owned()]), ..PlannedWindow::default() }
    }

    fn plan(key: &[&str]) -> Plan {
        let column = |name: &str, form| PlannedColumn { name: name.into(), read: Read::Plain, form };
        Plan {
            source: ["prod".into(), "nps".into()],
            target: ["public".into(), "nps".into()],
            mode: sluice::contract::copy_table::Mode::Upsert,
            columns: vec![
                column("note", Form::Text { bytes: 9 }),
                column("id", Form::Integer { least: 0, most: 99 }),
                column("at", Form::Date),
                column("f", Form::Float),
                column("gone", Form::Boolean),
                column("j", Form::Super),
            ],
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            is_order_unique: true,
            version: None,
            cursor: Some("at".into()),
            null_marker: "null01".into(),
            max_shrink_percent: 50,
            policies: Policies::default(),
            deleted: Some("gone".into()),
            settled_after_minutes: 0,
            verify: Verify::Sums,
            windows: vec![window("2018-07-01", "2018-07-03"), window("2018-07-05", "2018-07-06")],
        }
    }

    fn see(table: &mut Table<'_>, row: [Option<&'static str>; 6]) -> (i64, Seen) {
        let refused = |place, refusal: Refusal| Error::new(Kind::InvalidSource, format!("{place} {refusal}"));
        table.see(|place| Ok(row[place].map(str::as_bytes)), refused).unwrap()
    }

    #[test]
    fn a_row_is_in_a_part_by_its_key_and_hashed_if_it_is_due_and_not_gone() {
        let by_id = plan(&["id"]);
        let split = Split::ranges("id", 1, 9).unwrap();
        let mut table = Table::new(&by_id, &split);
        let row = [Some("a"), Some("7"), Some("2018-07-02"), Some("1.5"), Some("0"), Some("null")];
        assert_eq!(see(&mut table, row), (6, Seen::Hashed));
        assert_eq!(table.text, "0cc175b98f14e45f71fbf003+0+", "of the MD5 of a, 7 and 20180702 the first digits");
        let first = table.hashes.clone();
        let md5 = Md5::digest(b"8f14e45f|0cc175b9|71fbf003|+|0");
        assert_eq!(first, [u32::from_be_bytes([md5[0], md5[1], md5[2], md5[3]])], "the key first, and no JSON");
        for (place, value, expected) in [
            (0, None, Seen::Hashed),
            (3, Some("2.5"), Seen::Hashed),
            (4, Some("1"), Seen::Gone),
            (2, Some("2018-07-03"), Seen::NotDue),
            (2, Some("2018-06-30"), Seen::NotDue),
            (2, Some("2018-07-05"), Seen::Hashed),
            (2, None, Seen::NotDue),
        ] {
            let mut other = row;
            other[place] = value;
            assert_eq!(see(&mut table, other), (6, expected), "{value:?}");
        }
        let mut swapped = row;
        swapped[1] = Some("8");
        assert_eq!(see(&mut table, swapped).0, 7);
        assert_ne!(table.hashes, first, "the hash is of the key too");
        let by_note = plan(&["note"]);
        let mut table = Table::new(&by_note, &Split::Digits { column: "note".into() });
        assert_eq!(see(&mut table, row).0, 0x0cc);
    }
}

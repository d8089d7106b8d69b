//! Rows on their way from MySQL into CSV: at one moment, in one stream, until the end or the deadline.

use crate::cells::{self, Cells};
use crate::query::Query;
use crate::rows::{Rows, begin};
use sluice::contract::mysql_to_redshift::{Changed, Export, Plan, PlannedWindow};
use sluice::{Error, Kind, Result};
use sqlx::Row;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use std::time::Instant;

/// How much CSV is gathered before it goes on.
const BUFFER_BYTES: usize = 256 << 10;

/// Where CSV goes.
pub trait Sink {
    /// Takes whole rows.
    ///
    /// # Errors
    /// If they cannot go on.
    fn write(&mut self, csv: &[u8]) -> impl Future<Output = Result<()>> + Send;
}

/// A reading of a window.
pub struct Reading<'a> {
    /// What is read.
    pub plan: &'a Plan,
    /// Of it, this.
    pub window: &'a PlannedWindow,
    /// When to stop.
    pub deadline: Instant,
}

impl Reading<'_> {
    /// Reads all rows, or those behind what an earlier call has left over. What comes back has no new part and no
    /// manifest yet.
    ///
    /// # Errors
    /// `InvalidSource` for a value that does not fit, `Misconfigured` for rows that cannot be gone on with before the
    /// deadline, others as [`Rows`] and [`Sink::write`].
    pub async fn run(
        &self,
        connection: &mut MySqlConnection,
        before: Option<Export>,
        sink: &mut (impl Sink + Send),
    ) -> Result<Export> {
        let plan = self.plan;
        let name = plan.source.join(".");
        let after = before.as_ref().and_then(|export| export.after.as_deref());
        let query = Query::new(plan, self.window, after)
            .ok_or_else(|| Error::new(Kind::InvariantBroken, format!("{name}: the bounds of the plan are none")))?;
        let exported_at = begin(connection).await?;
        let mut export = match before {
            Some(before) => Export { is_consistent: false, after: None, ..before },
            None => Export { exported_at, is_consistent: true, ..Export::default() },
        };
        let mut columns = self.columns(&export)?;
        let null = plan.null_marker.as_bytes();
        let mut csv = Vec::with_capacity(BUFFER_BYTES * 2);
        let mut rows = Rows::new(connection, &query.text, name);
        while let Some(row) = rows.next().await? {
            export.rows += 1;
            for (place, cells) in columns.iter_mut().enumerate() {
                if place > 0 {
                    csv.push(b',');
                }
                let value = rows.value(&row, place + 1)?;
                if let Err(refusal) = cells.write(&mut csv, value, null) {
                    return Err(refused(plan, &query, export.rows, place, refusal));
                }
            }
            csv.push(b'\n');
            if csv.len() < BUFFER_BYTES {
                continue;
            }
            export.csv_bytes += u64::try_from(csv.len()).unwrap_or_default();
            sink.write(&csv).await?;
            csv.clear();
            if Instant::now() >= self.deadline {
                export.after = Some(place_of(plan, &query, &row, export.rows)?);
                break;
            }
        }
        export.csv_bytes += u64::try_from(csv.len()).unwrap_or_default();
        sink.write(&csv).await?;
        export.columns = columns.iter().map(Cells::document).collect();
        for counted in columns.iter().map(Cells::changed) {
            export.changed = Changed {
                zero_dates: export.changed.zero_dates + counted.zero_dates,
                truncated: export.changed.truncated + counted.truncated,
                nuls: export.changed.nuls + counted.nuls,
            };
        }
        Ok(export)
    }

    /// The columns, with what was counted before.
    fn columns(&self, export: &Export) -> Result<Vec<Cells>> {
        let new = self.plan.columns.iter().map(|column| Cells::new(column, self.plan.policies, self.plan.verify));
        if export.columns.is_empty() {
            return Ok(new.collect());
        }
        let counted =
            new.zip(&export.columns).map(|(cells, document)| cells.after(document)).collect::<Option<Vec<_>>>();
        counted
            .filter(|columns| columns.len() == self.plan.columns.len())
            .ok_or_else(|| Error::new(Kind::InvariantBroken, "what was counted before is not of these columns"))
    }
}

/// The error of a value that cannot go over, with its place and without the value.
pub(crate) fn refused(plan: &Plan, query: &Query, row: u64, place: usize, refusal: cells::Refusal) -> Error {
    let name = |place: &usize| plan.columns[*place].name.clone();
    let order: Vec<String> = query.order.iter().map(name).collect();
    let table = plan.source.join(".");
    Error::new(Kind::InvalidSource, cells::refused(&table, row, &name(&place), &order, refusal))
}

/// A row's values of the columns that order the rows.
pub(crate) fn place_of(plan: &Plan, query: &Query, row: &MySqlRow, rows: u64) -> Result<Vec<String>> {
    let table = plan.source.join(".");
    // Of rows that are equal in this order a call may have read one and not the others.
    if query.order.is_empty() || !plan.is_order_unique {
        let why = match query.order.is_empty() {
            true => "without a key in the spec".to_owned(),
            false => format!("without a unique index in MySQL of the key, {},", plan.key.join(", ")),
        };
        let what = format!(
            "{table}: {rows} rows were read before the deadline and more are to come; {why} they cannot be gone on \
             with: give one, choose shorter windows, or give the function more memory"
        );
        return Err(Error::new(Kind::Misconfigured, what));
    }
    let value = |place: &usize| {
        let value: Option<&[u8]> = row.try_get_unchecked(*place + 1).ok().flatten();
        value.and_then(|value| String::from_utf8(value.to_vec()).ok())
    };
    query
        .order
        .iter()
        .map(value)
        .collect::<Option<_>>()
        .ok_or_else(|| Error::new(Kind::InvalidSource, format!("{table}: row {rows} has NULL in its key")))
}

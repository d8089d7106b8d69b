//! The table that would come of files: what they say of each key, put together as `on_overlap` has it.

use crate::field;
use crate::file;
use crate::part::Part;
use crate::reading::told;
use local::inspection::{File, Grid};
use pivot::general::batch::GeneralBatch;
use pivot::general::plan::GeneralPlan;
use sluice::contract::Layout;
use sluice::spec::{OnOverlap, Spec};
use std::cmp::Ordering;
use std::collections::HashMap;

/// How many rows of it are shown.
const SHOWN_ROWS: usize = 10;

/// The first rows of the table, in the order of its keys, and how many it has. The files are good ones; the later one
/// is the newer.
///
/// # Errors
/// What the function says of files that are too large together.
pub(super) fn table(spec: &Spec, plan: &GeneralPlan, files: &[&File]) -> Result<(Grid, u64), String> {
    let layout = Layout::of(spec);
    let mut found = match spec.target.on_overlap {
        OnOverlap::NewestFile => newest_files(spec, plan, &layout, files)?,
        // What files say together is what their rows say, read as if they were one file.
        OnOverlap::AllFiles | OnOverlap::LastRun | OnOverlap::NewestRow => {
            let part = part(plan, &layout, files)?;
            let rows = part.rows().collect();
            Found { parts: vec![part], rows: vec![rows] }
        }
    };
    Ok(found.shown())
}

/// Rows of parts.
struct Found {
    parts: Vec<Part>,
    /// Of each part those that count.
    rows: Vec<Vec<usize>>,
}

impl Found {
    fn shown(&mut self) -> (Grid, u64) {
        let Some(first) = self.parts.first() else { return (Grid::new(), 0) };
        let kinds = first.key_kinds();
        let names = first.names();
        let mut rows: Vec<(&Part, usize)> = Vec::new();
        for (part, of_part) in self.parts.iter().zip(&self.rows) {
            rows.extend(of_part.iter().map(|row| (part, *row)));
        }
        let keys = |(part, row): &(&Part, usize)| part.key(*row, 0..kinds.len());
        let mut rows: Vec<_> = rows.into_iter().map(|row| (keys(&row), row)).collect();
        rows.sort_by(|(one, _), (other, _)| {
            let fields = kinds.iter().zip(one.iter().zip(other));
            fields.fold(Ordering::Equal, |found, (kind, (one, other))| {
                found.then_with(|| field::order(*kind, one, other))
            })
        });
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let shown = rows.iter().take(SHOWN_ROWS).map(|(_, (part, row))| part.shown(*row));
        (std::iter::once(names).chain(shown).collect(), count)
    }
}

/// What files come to, read as one.
fn part(plan: &GeneralPlan, layout: &Layout, files: &[&File]) -> Result<Part, String> {
    let mut batch = GeneralBatch::new(plan);
    let mut last = None;
    for file in files {
        let listed = file::listed(file).map_err(told)?;
        file::feed(file, &listed, plan.format_of(&file.key), &mut batch, &mut |batch| {
            batch.tally.rejects.pending.clear();
            true
        })
        .map_err(told)?;
        last = Some(listed);
    }
    let rows = last.map_or(Ok(None), |last| batch.end_file(&last)).map_err(told)?;
    if let Some(bad) = batch.tally.bad.first() {
        return Err(format!("all files together: {}", bad.reason));
    }
    Ok(Part::of(layout, rows))
}

/// Of each key, or of all that agree in some columns, what the newest file says.
fn newest_files(spec: &Spec, plan: &GeneralPlan, layout: &Layout, files: &[&File]) -> Result<Found, String> {
    let keys = &spec.shape.keys;
    let per = &spec.target.newest_per;
    let places: Vec<usize> = (0..keys.len()).filter(|place| per.is_empty() || per.contains(&keys[*place])).collect();
    let parts = files.iter().map(|file| part(plan, layout, &[file])).collect::<Result<Vec<_>, _>>()?;
    // The newest part that has some rows of a group.
    let mut newest = HashMap::new();
    for (place, part) in parts.iter().enumerate() {
        for row in part.all_rows() {
            newest.insert(part.key(row, places.iter().copied()), place);
        }
    }
    let rows = parts.iter().enumerate().map(|(place, part)| {
        part.rows().filter(|row| newest.get(&part.key(*row, places.iter().copied())) == Some(&place)).collect()
    });
    let rows = rows.collect();
    Ok(Found { parts, rows })
}

//! Where both tables differ, by parts of the key, and what may have come of it.

use crate::audit::TargetAudit;
use sluice::contract::copy_table::Mode;
use sluice::contract::mysql_to_redshift::{Audit, Difference, Plan, SourceAudit, SourcePart, Split, compared_in_part};
use std::collections::BTreeSet;

/// Compares what was read of MySQL with what Redshift has answered.
pub fn compare(plan: &Plan, source: &SourceAudit, target: TargetAudit) -> Audit {
    let sum = |of: fn(&SourcePart) -> u64| source.parts.values().map(of).sum::<u64>();
    let mut audit = Audit {
        spans: plan.windows.iter().filter_map(|window| window.bounds.clone()).collect(),
        read_at: source.read_at.clone(),
        rows_source: sum(|part| part.rows),
        rows_target: target.parts.values().map(|(rows, _)| rows).sum(),
        rows_not_due: sum(|part| part.rows_not_due),
        rows_outside: target.rows_outside,
        rows_gone: source.rows_gone,
        keys_twice: target.keys_twice,
        loads_since: target.loads_since,
        ..Audit::default()
    };
    let none = (SourcePart::default(), (0, Vec::new()));
    let parts: BTreeSet<i64> = source.parts.keys().chain(target.parts.keys()).copied().collect();
    let mut run: Option<(i64, i64, Difference)> = None;
    for part in parts {
        let ours = source.parts.get(&part).unwrap_or(&none.0);
        let (rows, hashes) = target.parts.get(&part).unwrap_or(&none.1);
        if ours.rows == *rows && ours.hashes == *hashes {
            continue;
        }
        audit.parts_different += 1;
        match &mut run {
            // Neighbours of a range are one.
            Some((_, last, difference)) if *last + 1 == part && part > 0 && is_inside(&source.split, part) => {
                *last = part;
                difference.rows_source += ours.rows;
                difference.rows_target += rows;
                difference.rows_not_due += ours.rows_not_due;
            }
            _ => {
                audit.differences.extend(run.take().map(|run| told(&source.split, run)));
                let difference = Difference {
                    part: String::new(),
                    rows_source: ours.rows,
                    rows_target: *rows,
                    rows_not_due: ours.rows_not_due,
                };
                run = Some((part, part, difference));
            }
        }
    }
    audit.differences.extend(run.map(|run| told(&source.split, run)));
    audit.is_equal = audit.parts_different == 0 && audit.keys_twice == 0;
    audit.newest_load_read_at = target.newest_load_read_at;
    audit.notes = notes(plan, source, target.slices, &audit);
    audit
}

/// Whether a part lies between the least and the greatest key of MySQL.
fn is_inside(split: &Split, part: i64) -> bool {
    matches!(split, Split::Ranges { .. }) && part < split.count()
}

fn told(split: &Split, (first, last, difference): (i64, i64, Difference)) -> Difference {
    let part = match split {
        Split::Ranges { column, least, greatest, width } if first < last => {
            let from = least + first * width;
            let to = least.saturating_add(last * width).saturating_add(width - 1).min(*greatest);
            format!("{column} from {from} to {to}")
        }
        _ => split.named(first),
    };
    Difference { part, ..difference }
}

/// What a person should know of an audit: above all what a source that goes on does to it.
fn notes(plan: &Plan, source: &SourceAudit, slices: i64, audit: &Audit) -> Vec<String> {
    let mut notes = Vec::new();
    let newest = audit.newest_load_read_at.as_deref().unwrap_or("none");
    if !audit.is_equal {
        notes.push(format!(
            "what MySQL has changed since its rows were read for a load, for the newest one at {newest} UTC, is different \
             too: load these rows again, and audit again"
        ));
    }
    if !audit.is_equal && audit.rows_not_due > 0 {
        notes.push(
            "a row whose cursor has gone to a window that is not loaded is too many in the target until that is loaded"
                .to_owned(),
        );
    }
    if !audit.is_equal && plan.mode == Mode::Upsert {
        notes.push("a row that MySQL has deleted is too many in the target: upsert does not see that".to_owned());
    }
    if !source.is_consistent {
        notes.push(
            "MySQL was not read at one moment but in several calls: what changed between them may differ".to_owned(),
        );
    }
    if slices > 1 {
        notes.push(format!(
            "Redshift was not read at one moment, since it ended what took too long, but by {slices} slices of the key: \
             what was loaded between them may differ"
        ));
    }
    if audit.loads_since > 0 {
        notes.push(format!(
            "{} loads whose rows were read after {}, when the audit read MySQL, are in the target: what they brought may \
             differ; audit again",
            audit.loads_since, audit.read_at
        ));
    }
    if audit.rows_not_due > 0 {
        notes.push(format!(
            "{} rows of MySQL are in no window that is loaded, and are not compared",
            audit.rows_not_due
        ));
    }
    if audit.rows_outside > 0 {
        let rows = audit.rows_outside;
        notes.push(format!("{rows} rows of the target are in no window that is loaded, and are not compared"));
    }
    let columns = compared_in_part(plan);
    if !columns.is_empty() {
        notes.push(format!(
            "not compared: JSON; of floats more than whether there is a value, of TIME more than whole seconds: {}",
            columns.join(", ")
        ));
    }
    notes
}

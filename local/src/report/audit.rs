//! What a person gets to see of an audit: `Equal` or `Differs`, and where.

use sluice::contract::mysql_to_redshift::{Audit, Difference};

/// How many differences are shown.
const SHOWN: usize = 20;

/// What was found, a line per difference and note.
pub(super) fn summary(audit: &Audit) -> String {
    let Audit { rows_source, rows_target, parts_different, keys_twice, read_at, .. } = audit;
    let what = match audit.spans.as_slice() {
        [] => "the whole table".to_owned(),
        [[from, to]] => format!("{from} to {to}"),
        [[from, _], .., [_, to]] => format!("{from} to {to}, with {} gaps", audit.spans.len() - 1),
    };
    let compared = format!("{what}, read at {read_at} UTC: {rows_source} rows in MySQL, {rows_target} in Redshift");
    if audit.is_equal {
        return lines(format!("equal: {compared}"), &[], &audit.notes);
    }
    let mut first = format!("different: {compared}; {parts_different} parts of the key differ");
    if *keys_twice > 0 {
        first.push_str(&format!(", {keys_twice} keys are in Redshift more than once"));
    }
    lines(first, &audit.differences, &audit.notes)
}

fn lines(first: String, differences: &[Difference], notes: &[String]) -> String {
    let shown = differences.iter().take(SHOWN).map(told);
    let more = differences.len().checked_sub(SHOWN + 1).map(|more| format!("  and {} more", more + 1));
    shown.chain(more).chain(notes.iter().cloned()).fold(first, |text, line| format!("{text}\n{line}"))
}

fn told(difference: &Difference) -> String {
    let Difference { part, rows_source, rows_target, rows_not_due } = difference;
    let what = match (rows_source.checked_sub(*rows_target), rows_target.checked_sub(*rows_source)) {
        (Some(0), _) => format!("{rows_source} rows on both sides, not all with the same values"),
        (Some(missing), _) => format!("{rows_source} rows in MySQL, {missing} fewer in Redshift"),
        (None, more) => format!("{rows_source} rows in MySQL, {} more in Redshift", more.unwrap_or_default()),
    };
    match rows_not_due {
        0 => format!("  {part}: {what}"),
        rows => format!("  {part}: {what}; {rows} of MySQL are in no window that is loaded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(part: &str, [rows_source, rows_target, rows_not_due]: [u64; 3]) -> Difference {
        Difference { part: part.to_owned(), rows_source, rows_target, rows_not_due }
    }

    #[test]
    fn what_differs_is_told_by_part_and_count() {
        let audit = Audit {
            spans: vec![["2018-07-01 00:00:00".to_owned(), "2018-07-03 00:00:00".to_owned()]],
            read_at: "2018-07-09 01:02:03.000004".to_owned(),
            rows_source: 80,
            rows_target: 81,
            keys_twice: 1,
            parts_different: 4,
            differences: vec![
                difference("id = 7", [1, 0, 0]),
                difference("id from 9 to 10", [2, 2, 0]),
                difference("id > 80", [0, 2, 3]),
            ],
            notes: vec!["Load again.".to_owned()],
            ..Audit::default()
        };
        let compared = "2018-07-01 00:00:00 to 2018-07-03 00:00:00, read at 2018-07-09 01:02:03.000004 UTC: 80 rows in \
                        MySQL, 81 in Redshift";
        assert_eq!(
            summary(&audit),
            format!(
                "different: {compared}; 4 parts of the key differ, 1 keys are in Redshift more than once\n  \
                 id = 7: 1 rows in MySQL, 1 fewer in Redshift\n  \
                 id from 9 to 10: 2 rows on both sides, not all with the same values\n  \
                 id > 80: 0 rows in MySQL, 2 more in Redshift; 3 of MySQL are in no window that is loaded\nLoad again."
            )
        );
        let equal = Audit { is_equal: true, spans: Vec::new(), differences: Vec::new(), ..audit.clone() };
        assert!(summary(&equal).starts_with("equal: the whole table, read at "), "{}", summary(&equal));
        let many = Audit { differences: vec![difference("id = 7", [1, 0, 0]); 22], ..audit };
        assert!(summary(&many).contains("\n  and 2 more\nLoad"), "{}", summary(&many));
    }
}

//! Where both ways apply, they come to the same.

use super::{outcome, spec};
use crate::support::whole_texts;
use proptest::prelude::*;
use serde_json::json;

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "2024-0[12]-[0-2][1-9]( 1[0-9]:[0-5][0-9])?",
        4 => "[a-c]",
        4 => "-?[0-9]{1,3}(\\.[0-9]{1,3})?",
        1 => "[ -~]{0,6}",
        1 => "\"([ -!#-~]|\"\"|\n){0,6}\"",
    ]
}

fn text() -> impl Strategy<Value = String> {
    let row = prop::collection::vec(field(), 2..5).prop_map(|fields| fields.join(","));
    let good = ("2024-0[12]-[0-2][1-9]", "[a-c]", "-?[0-9]{1,3}").prop_map(|(date, on, n)| format!("{date},{on},{n}"));
    // Of an export with other columns beside them.
    let wide =
        ("2024-0[12]-[0-2][1-9]", "[a-c]", "-?[0-9]{1,3}").prop_map(|(date, on, n)| format!("1,2,{on},,x,{n},{date}"));
    let line = prop_oneof![
        8 => good, 3 => row, 3 => wide, 1 => Just("on,k,n".to_owned()), 1 => Just("k,on,n".to_owned()),
        1 => Just("u,v,on,w,x,n,k".to_owned()),
    ];
    (prop::collection::vec(line, 0..12), prop_oneof![Just("\n"), Just("\r\n")])
        .prop_map(|(lines, end)| format!("k,on,n{end}{}", lines.join(end)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_general_way_is_the_usual_one(text in text(), is_date in any::<bool>(), other in 0..3_usize, chunk_len in 1_usize..40) {
        let kind = if is_date { "date" } else { "text" };
        let columns = json!({"k": {"type": kind}, "on": {}, "n": {"type": "number"}});
        let other = [json!("bad_row"), json!("ignore"), json!({"into": "c"})][other].clone();
        let shape = json!({"keys": ["k"], "values": {"n": "sum"}, "pivot": {"on": "on", "into": ["a", "b"], "other": other}});
        let spec = spec(json!({"columns": columns}), shape, "all_files");
        prop_assert!(spec.is_usual());
        let general = outcome(&spec, &[("x.csv", text.as_bytes())], chunk_len).unwrap();
        let usual = whole_texts(&spec, &[("x.csv", &text)], chunk_len).unwrap();
        // A key of texts with commas and line ends is more than this reads.
        if !text.contains('"') {
            let usual_rows = usual.tables.iter().flat_map(|table| table.lines().skip(2)).map(rows_of);
            let mut usual_rows: Vec<Vec<String>> = usual_rows.collect();
            usual_rows.sort();
            prop_assert_eq!(&general.rows, &usual_rows, "{}", text);
        }
        prop_assert_eq!(general.ignored, usual.rows[2]);
        prop_assert_eq!(general.bad_files.len(), usual.bad.len());
        prop_assert_eq!(lines(&general.quarantine), lines(&usual.quarantine));
    }
}

/// A line of the usual way's table as the general way shows it: the state behind, numbers without zeros at the end.
fn rows_of(line: &str) -> Vec<String> {
    let mut fields = line.split(',');
    let state = fields.next().unwrap();
    let key = fields.next().unwrap().to_owned();
    let numbers = fields.map(|number| match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    });
    let state = (state != "0").then(|| format!("[{state}]"));
    std::iter::once(key).chain(numbers).chain(state).collect()
}

/// Which rows are in quarantine: reasons may differ where several things are wrong.
fn lines(quarantine: &str) -> Vec<String> {
    quarantine.lines().map(|line| line.split(',').take(3).collect::<Vec<_>>().join(",")).collect()
}

//! Where both ways apply, they come to the same.

use super::{Outcome, outcome, spec};
use crate::support::{Whole, feed, whole, whole_texts};
use proptest::prelude::*;
use serde_json::json;
use sluice::spec::Spec;
use sluice::{Error, Result};

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

/// A value of JSON: such as the columns are read from, and some that they are not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\"2024-0[12]-[0-2][1-9](T1[0-9]:[0-5][0-9]Z?)?\"",
        4 => "\"[a-c]\"",
        4 => "-?[1-9][0-9]{0,2}(\\.[0-9]{1,3})?(e[0-2])?",
        1 => "\"[ -!#-\\[\\]-~]{0,6}\"",
        1 => "null|true|\\[1\\]|\\{\"a\": 1\\}|\"\\\\u0061\"|\"\\\\u0000\"| \"1\"",
    ]
}

fn object() -> impl Strategy<Value = String> {
    let good = ("2024-0[12]-[0-2][1-9]", "[a-c]", "-?[1-9][0-9]{0,2}")
        .prop_map(|(date, on, n)| format!("{{\"k\": \"{date}\", \"on\": \"{on}\", \"n\": {n}}}"));
    let names = prop::sample::select(vec!["k", "on", "n", "k", "on", "n", "more"]);
    let any = prop::collection::vec((names, value()), 0..6).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    });
    prop_oneof![6 => good, 4 => any, 1 => Just("5".to_owned())]
}

/// Objects one per line, run together, or in one array.
fn documents() -> impl Strategy<Value = String> {
    (prop::collection::vec(object(), 0..10), 0..3_usize).prop_map(|(objects, form)| match form {
        0 => objects.iter().map(|object| format!("{object}\n")).collect(),
        1 => objects.concat(),
        _ => format!("[{}]", objects.join(",\n")),
    })
}

/// A spec of the usual kind.
#[derive(Debug)]
pub(crate) struct Usual {
    is_date: bool,
    has_zone: bool,
    other: usize,
    on_bad_file: &'static str,
}

pub(crate) fn usual() -> impl Strategy<Value = Usual> {
    (any::<bool>(), any::<bool>(), 0..3_usize, prop::sample::select(vec!["fail", "quarantine"]))
        .prop_map(|(is_date, has_zone, other, on_bad_file)| Usual { is_date, has_zone, other, on_bad_file })
}

impl Usual {
    /// Whether the key is a date, and not a text.
    pub(crate) fn is_date(&self) -> bool {
        self.is_date
    }

    /// The spec, with the key out of a column or, in place of it, out of the object's key.
    pub(crate) fn spec(&self, suffix: &str, is_partition: bool) -> Spec {
        let mut key = json!({"type": if self.is_date { "date" } else { "text" }});
        if self.is_date && self.has_zone {
            key["zone"] = json!("America/New_York");
        }
        if is_partition {
            key["partition"] = json!("k");
        }
        let columns = json!({"k": key, "on": {}, "n": {"type": "number"}});
        let other = [json!("bad_row"), json!("ignore"), json!({"into": "c"})][self.other].clone();
        let shape =
            json!({"keys": ["k"], "values": {"n": "sum"}, "pivot": {"on": "on", "into": ["a", "b"], "other": other}});
        let source = json!({"columns": columns, "suffix": suffix, "on_bad_file": self.on_bad_file});
        let spec = spec(source, shape, "all_files");
        assert!(spec.is_usual());
        spec
    }
}

/// Fails if the two ways differ on a file.
pub(crate) fn compare(general: Result<Outcome>, usual: Result<Whole>) {
    let (general, usual) = match (general, usual) {
        (Ok(general), Ok(usual)) => (general, usual),
        (general, usual) => {
            // Of two faults either may be told.
            assert_eq!(general.as_ref().err().map(Error::kind), usual.as_ref().err().map(Error::kind));
            return;
        }
    };
    let is_plain = |table: &String| !table.contains('"');
    // A key of texts with commas and line ends is more than this reads.
    if usual.tables.iter().all(is_plain) {
        let usual_rows = usual.tables.iter().flat_map(|table| table.lines().skip(2)).map(rows_of);
        let mut usual_rows: Vec<Vec<String>> = usual_rows.collect();
        usual_rows.sort();
        assert_eq!(general.rows, usual_rows);
    }
    assert_eq!(general.ignored, usual.rows[2]);
    assert_eq!(general.bad_files.len(), usual.bad.len());
    assert_eq!(lines(&general.quarantine), lines(&usual.quarantine));
}

/// Spreadsheets and PowerShell write it: a byte order mark decides where nothing is said of the encoding.
#[test]
fn both_ways_read_utf_16_with_a_byte_order_mark() {
    let of = Usual { is_date: true, has_zone: false, other: 0, on_bad_file: "quarantine" };
    let spec = of.spec(".csv", false);
    let head = "k,on,n,Größe\r\n2024-03-01,a,1.5,😀\r\n\"2024-03-01\",\"Ü😀\",7,\"x\ny\"\r\n2024-03-02,b,3,\r\n";
    // More than is looked at to tell what a file is.
    let text = format!("{head}{}", "2024-03-02,b,1,é\r\n".repeat(2_000));
    let encoded = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    for bytes in [encoded(u16::to_le_bytes), encoded(u16::to_be_bytes)] {
        for chunk_len in [1, 7, 4_099, bytes.len()] {
            let files = [("x.csv", &bytes[..])];
            let general = outcome(&spec, &files, chunk_len).unwrap();
            assert_eq!(general.rows, [vec!["2024-03-01", "1.5", "0", "[1]"], vec!["2024-03-02", "0", "2003"]]);
            assert_eq!(general.bad_rows, ["x.csv, line 3, column 2 (on): unknown category"]);
            let usual = whole(&spec, &files, |file, bytes, batch| feed(file, batch, bytes.chunks(chunk_len), |_| ()));
            let usual = usual.unwrap();
            assert_eq!(usual.rows, [2_003, 1, 0]);
            let raw = "x.csv,etag,3,2,on,unknown category,\"\"\"2024-03-01\"\",\"\"Ü😀\"\",7,\"\"x\ny\"\"\"\n";
            assert!(usual.quarantine.ends_with(raw), "{}", usual.quarantine);
            assert_eq!(general.quarantine, usual.quarantine);
            compare(Ok(general), Ok(usual));
        }
    }
    // A row that cannot be decoded is bad, as one of UTF-8 that is not.
    let cut: Vec<u8> = "\u{feff}k,on,n\n2024-03-01,a,1\n2024-03-01,"
        .encode_utf16()
        .chain([0xD800])
        .flat_map(u16::to_le_bytes)
        .chain(*b",\x001\x00")
        .collect();
    for chunk_len in [1, cut.len()] {
        let files = [("x.csv", &cut[..])];
        let general = outcome(&spec, &files, chunk_len).unwrap();
        assert_eq!(general.bad_rows.len(), 1);
        assert!(general.bad_rows[0].starts_with("x.csv, line 3, column 2 (on): not UTF-8"), "{:?}", general.bad_rows);
        compare(
            Ok(general),
            whole(&spec, &files, |file, bytes, batch| feed(file, batch, bytes.chunks(chunk_len), |_| ())),
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(400)))]
    #[test]
    fn the_general_way_is_the_usual_one(text in text(), of in usual(), chunk_len in 1_usize..40) {
        for (key, is_partition) in [("x.csv", false), ("k=2024-03-01/x.csv", true), ("k=a%20b/x.csv", true)] {
            let spec = of.spec(".csv", is_partition);
            let general = outcome(&spec, &[(key, text.as_bytes())], chunk_len);
            compare(general, whole_texts(&spec, &[(key, &text)], chunk_len));
        }
    }

    #[test]
    fn the_general_way_is_the_usual_one_in_json(text in documents(), of in usual(), chunk_len in 1_usize..40) {
        let spec = of.spec(".json", false);
        let general = outcome(&spec, &[("x.json", text.as_bytes())], chunk_len);
        compare(general, whole_texts(&spec, &[("x.json", &text)], chunk_len));
    }
}

/// How many cases a property is tried on; `SLUICE_CAMPAIGN=full` takes more.
pub(crate) fn cases(few: u32) -> u32 {
    if std::env::var("SLUICE_CAMPAIGN").is_ok_and(|campaign| campaign == "full") { 50 * few } else { few }
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

//! Random specs and files come to what the model of the language says, `local/spec/model.py`.

mod written;

use super::{outcome, spec};
use serde_json::{Value, json};
use sluice::contract::{Layout, PartContent, Says};
use sluice::spec::Spec;
use std::io::Write;
use std::process::{Command, Stdio};

/// How many specs, with a file each; `SLUICE_CAMPAIGN=full` takes more.
const CASES: u64 = 400;
const FULL_CASES: u64 = 20_000;

/// The model's tables, a line for each line of spec, key and text.
const MODEL: &str = "\
import datetime as dt, json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import model
at = dt.datetime(2024, 6, 1, tzinfo=dt.timezone.utc)
for line in sys.stdin:
    spec, key, text = json.loads(line)
    try:
        print(json.dumps(model.table(spec, [[(key, text.encode('latin-1'), at)]])[1]))
    except model.BadFile:
        print('null')
";

/// A spec, a key and the content of its file.
type Case = (Value, String, Vec<u8>);

fn model(cases: &[Case]) -> Vec<Option<Vec<Vec<String>>>> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let folder = std::path::Path::new(&package).join("../../local/spec");
    let mut child = Command::new("python3")
        .args(["-c", MODEL])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs the model");
    let mut questions = child.stdin.take().unwrap();
    // A character for each byte.
    let latin = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let lines: String =
        cases.iter().map(|(spec, key, bytes)| json!([spec, key, latin(bytes)]).to_string() + "\n").collect();
    let asking = std::thread::spawn(move || questions.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    asking.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A sequence that looks random (Marsaglia, "Xorshift RNGs").
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// Columns with values that they can read and some that they cannot.
fn columns(random: &mut Random) -> Vec<(&'static str, Value, &'static [&'static str])> {
    let mut of = |all: &[Value]| random.of(all).clone();
    vec![
        ("id", json!({"type": "integer"}), &["1", "2", "2.0", "x", "1"]),
        (
            "day",
            of(&[
                json!({"type": "date"}),
                json!({"type": "date", "zone": "Europe/Berlin"}),
                json!({"type": "date", "truncate": "month"}),
            ]),
            &["2024-03-01", "2024-03-02 10:00", "2024-02-29T23:30:00", "2024-02-29T23:30:00Z", "2023-02-29"],
        ),
        (
            "eu",
            of(&[
                json!({"type": "date", "format": "%d/%m/%Y"}),
                json!({"type": "date", "format": "%d/%m/%Y", "truncate": "week", "null_values": ["-"], "if_null": "01/03/2024"}),
            ]),
            &["1/3/2024", "02/03/2024", "29/2/2023", "-", "11/12/2024"],
        ),
        (
            "name",
            of(&[json!({}), json!({"trim": true, "if_null": "none"}), json!({"null_values": ["-"], "if_null": "?"})]),
            &["a", "b", "", " a", "-", "é"],
        ),
        (
            "n",
            of(&[
                json!({"type": "number", "nullable": true}),
                json!({"type": "number", "decimal": ",", "group": ".'", "if_null": 0}),
                json!({"type": "number", "group": ",", "strip": ["$", "EUR"], "accounting": true}),
            ]),
            &["1", "-2.5", "1.234", "1.234,5", "(3)", "4-", "$ 5", "1,234.50", "6 EUR", "", "1e2", "7,5"],
        ),
        (
            "at",
            of(&[
                json!({"type": "timestamptz", "zone": "Europe/Berlin", "ambiguous": "earlier"}),
                json!({"type": "timestamptz", "zone": "America/New_York", "truncate": "day"}),
                json!({"type": "timestamp", "truncate": "quarter"}),
            ]),
            &[
                "2024-10-27 02:30",
                "2024-03-01 10:00:00.5",
                "2024-03-31 02:30",
                "2024-03-01T10:00+02:00",
                "2024-03-10 02:30",
            ],
        ),
        (
            "took",
            of(&[
                json!({"type": "duration", "unit": "minutes", "scale": 3, "format": "h:m"}),
                json!({"type": "duration", "unit": "milliseconds"}),
                json!({"type": "duration", "unit": "hours", "scale": 2, "nullable": true}),
            ]),
            &["1:25:30", "18:25", "25 min", "PT1H5.5S", "1h 3m", "", "0:00:01.25", "90"],
        ),
        (
            "ok",
            of(&[
                json!({"type": "boolean"}),
                json!({"type": "boolean", "true_values": ["yes"], "false_values": ["no", "false"]}),
            ]),
            &["true", "no", "FALSE", "yes", "false"],
        ),
    ]
}

fn case(seed: u64) -> Case {
    let random = &mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let pool = columns(random);
    let delimiter = *random.of(&[";", "|", "\t"]);
    let mut columns: serde_json::Map<String, Value> =
        pool.iter().map(|(name, column, _)| ((*name).to_owned(), column.clone())).collect();
    columns.insert("row".to_owned(), json!({"file": "row"}));
    let mut keys = vec![*random.of(&["id", "day", "name", "ok", "eu", "at"])];
    let second = *random.of(&["id", "day", "name", "eu", "none", "none"]);
    if second != "none" && second != keys[0] {
        keys.push(second);
    }
    if let Some(column) = columns.get_mut("name").filter(|_| keys.contains(&"name")) {
        column["if_null"] = json!("none");
    }
    let mut shape = json!({"keys": keys});
    let filters = [
        json!({"column": "id", "gt": 1}),
        json!({"not": {"column": "name", "equal": "a"}}),
        json!({"or": [{"column": "n", "null": true}, {"column": "n", "gte": "2"}]}),
        json!({"column": "day", "lt": "2024-03-02"}),
    ];
    if random.below(3) == 0 {
        shape["filter"] = random.of(&filters).clone();
    }
    let mut mode = "last_run";
    if random.below(4) == 0 {
        shape["rows"] = random
            .of(&[
                json!({}),
                json!({"order_by": ["n"], "columns": ["took", "name"]}),
                json!({"order_by": ["ok_at", "row"]}),
                json!({"columns": ["n"], "delete_when": {"column": "ok", "equal": true}}),
            ])
            .clone();
        if shape["rows"]["order_by"][0] == "ok_at" {
            shape["rows"]["order_by"] = json!(["at", "row"]);
        }
        mode = *random.of(&["last_run", "newest_row"]);
    } else {
        let aggregates = [
            json!({"sum": "n"}),
            json!({"sum": "n", "empty": null}),
            json!({"sum": "took"}),
            json!({"count": "*"}),
            json!({"count": "n"}),
            json!({"min": "eu"}),
            json!({"max": "name"}),
            json!({"max": "took"}),
            json!({"mean": "n", "scale": 2}),
            json!({"mean": "took", "scale": 5}),
            json!({"first": "name", "order_by": "row"}),
            json!({"last": "n", "order_by": "at"}),
            json!({"sum": "id"}),
            json!({"min": "at"}),
        ];
        let mut values = serde_json::Map::new();
        for name in ["v", "w", "x"].into_iter().take(1 + random.below(3)) {
            values.insert(name.to_owned(), random.of(&aggregates).clone());
        }
        shape["values"] = Value::Object(values);
        if random.below(3) == 0 {
            let other = random.of(&[json!("bad_row"), json!("ignore"), json!({"into": "rest"})]).clone();
            shape["pivot"] = json!({"on": "name", "into": {"a": "a", "b": "c", "": "c"}, "other": other});
        }
    }
    let is_json = random.below(4) == 0;
    let mut text = pool.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(delimiter) + "\n";
    if is_json {
        text.clear();
    }
    for _ in 0..random.below(9) {
        let fields: Vec<String> = pool
            .iter()
            .map(|(_, _, values)| {
                // Mostly such as can be read.
                let value = values[if random.below(3) > 0 { random.below(2) } else { random.below(values.len()) }];
                match is_json {
                    true => json_of(value, random.below(2) == 0),
                    false if random.below(9) == 0 => format!("\"{value}\""),
                    false => value.to_owned(),
                }
            })
            .collect();
        if is_json {
            let fields: Vec<String> =
                pool.iter().zip(fields).map(|((name, ..), value)| format!("\"{name}\": {value}")).collect();
            text += &format!("{{{}}}\n", fields.join(", "));
            continue;
        }
        text += &(fields.join(delimiter) + *random.of(&["\n", "\n", "\r\n"]));
    }
    let source = json!({
        "suffix": [".csv", ".json"], "format": {"delimiter": delimiter}, "columns": columns, "on_bad_row": "quarantine", "on_bad_file": "quarantine",
    });
    let target = json!({"table": "t", "on_overlap": mode});
    let key = if is_json { "in/a.json" } else { "in/a.csv" };
    (json!({"prefix": "in/", "source": source, "shape": shape, "target": target}), key.to_owned(), text.into_bytes())
}

/// A value in JSON: a text, or, if it can be one and is to be, a number, true, false or null.
fn json_of(value: &str, is_typed: bool) -> String {
    let typed = if value.is_empty() { "null" } else { value };
    let is_one = serde_json::from_str::<Value>(typed).is_ok_and(|found| !found.is_string() && !found.is_object());
    if is_typed && is_one { typed.to_owned() } else { json!(value).to_string() }
}

/// The rows of a table that the rows of a part come to, where each key comes once.
fn finished(spec: &Spec, rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let layout = Layout::of(spec);
    let is_row = |row: &Vec<String>| row.last().is_none_or(|state| state != "[2]");
    let mut table: Vec<Vec<String>> = rows
        .into_iter()
        .filter(is_row)
        .filter_map(|row| {
            let (keys, mut fields) = row.split_at(layout.keys.len());
            let mut next = || {
                let (field, rest) = fields.split_first().unwrap();
                fields = rest;
                if field == "NULL" { String::new() } else { field.clone() }
            };
            let mut line = keys.to_vec();
            match &layout.content {
                PartContent::Values(words) => {
                    for word in words {
                        let value = next();
                        line.push(match word.says {
                            Says::Sum { divided: Some(divided), .. } if !value.is_empty() => {
                                quotient(&value, divided.by.into(), divided.scale)
                            }
                            Says::Sum { .. } | Says::Count | Says::Min { .. } | Says::Max { .. } => value,
                            Says::Mean { divided } => match next().parse::<i128>().unwrap() {
                                0 => String::new(),
                                count => quotient(&value, count * i128::from(divided.by), divided.scale),
                            },
                            Says::First { .. } | Says::Last { .. } => {
                                next();
                                next();
                                value
                            }
                        });
                    }
                }
                PartContent::Rows { columns, order_by } => {
                    line.extend(columns.iter().map(|_| next()));
                    order_by.iter().for_each(|_| drop(next()));
                    next();
                    if next() == "t" {
                        return None;
                    }
                }
            }
            Some(line)
        })
        .collect();
    table.sort();
    table
}

/// A decimal over an integer, with so many decimals, halves away from zero.
fn quotient(text: &str, by: i128, scale: u32) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let numerator: i128 = format!("{whole}{fraction}").parse().unwrap();
    let denominator = by * 10_i128.pow(u32::try_from(fraction.len()).unwrap());
    let doubled = 2 * numerator.abs() * 10_i128.pow(scale);
    let rounded = (doubled + denominator) / (2 * denominator);
    let digits = format!("{rounded:0>width$}", width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let fraction = fraction.trim_end_matches('0');
    let sign = if numerator < 0 && rounded > 0 { "-" } else { "" };
    format!("{sign}{whole}{}{fraction}", if fraction.is_empty() { "" } else { "." })
}

#[test]
fn random_specs_come_to_what_the_model_says() {
    come_to_what_the_model_says(case);
}

/// Fails if random cases come to something else.
fn come_to_what_the_model_says(case: fn(u64) -> Case) {
    let count =
        if std::env::var("SLUICE_CAMPAIGN").is_ok_and(|campaign| campaign == "full") { FULL_CASES } else { CASES };
    let cases: Vec<_> = (1..=count).map(case).collect();
    let expected = model(&cases);
    let mut good = 0;
    for ((given, key, bytes), expected) in cases.iter().zip(expected) {
        let mode = given["target"]["on_overlap"].as_str().unwrap();
        let spec = spec(given["source"].clone(), given["shape"].clone(), mode);
        let found = outcome(&spec, &[(key, bytes)], 1 + bytes.len() / 3).unwrap();
        let mut expected = expected.unwrap_or_default();
        expected.sort();
        good += usize::from(!expected.is_empty());
        let rows = finished(&spec, found.rows.clone());
        assert_eq!(rows, expected, "{given}\n{}\n{found:?}", String::from_utf8_lossy(bytes));
    }
    assert!(good > cases.len() / 3, "{good} cases have rows");
}

/// The files of the examples, each by itself. What all of them come to in the table is for the database.
#[test]
fn the_examples_come_to_what_the_model_says() {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let examples = std::path::Path::new(&package).join("../../local/spec/examples");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(examples).unwrap() {
        let folder = entry.unwrap().path();
        let mut spec: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("spec.json")).unwrap()).unwrap();
        for field in ["on_bad_row", "on_bad_file"] {
            spec["source"][field] = json!("quarantine");
        }
        spec["target"] = json!({"table": "t", "on_overlap": "last_run"});
        let mut folders = vec![folder.join("in")];
        while let Some(inner) = folders.pop() {
            for entry in std::fs::read_dir(inner).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    // Parquet is read by a package that may not be there.
                    false if path.extension().is_some_and(|extension| extension == "parquet") => {}
                    false => cases.extend(std::fs::read(&path).ok().map(|bytes| {
                        let key = path.strip_prefix(folder.join("in")).unwrap().to_str().unwrap().to_owned();
                        let key =
                            key.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '/').to_owned();
                        (spec.clone(), key, bytes)
                    })),
                }
            }
        }
    }
    assert!(cases.len() > 15, "{} files", cases.len());
    for ((given, key, bytes), expected) in cases.iter().zip(model(&cases)) {
        let spec = spec(given["source"].clone(), given["shape"].clone(), "last_run");
        // What is packed the handler unpacks.
        if bytes.starts_with(&[0x1F, 0x8B]) {
            continue;
        }
        let found = outcome(&spec, &[(key, bytes)], 100).unwrap();
        let mut expected = expected.unwrap_or_default();
        expected.sort();
        assert_eq!(finished(&spec, found.rows.clone()), expected, "{key}: {found:?}");
    }
}

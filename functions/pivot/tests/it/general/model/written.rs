//! The same rows written in random ways: dialects and encodings of CSV, JSON with nested fields; with columns that are
//! in no file, and options for all columns.

use super::{Case, Random, come_to_what_the_model_says};
use serde_json::{Map, Value, json};

/// Names of the columns in the file.
const NAMES: [&str; 3] = ["key", "n", "x y"];

const KEYS: [&str; 4] = ["a", "b", "a, b", "é"];
const NUMBERS: [&str; 6] = ["1", "-2.5", "1,5", "", "-", "(3)"];
const TEXTS: [&str; 6] = ["a", "", " b ", "it's", "say \"so\"", "-"];

#[test]
fn rows_written_in_random_ways_come_to_what_the_model_says() {
    come_to_what_the_model_says(case);
}

/// Rows of a key, a number and a text.
fn rows(random: &mut Random) -> Vec<[&'static str; 3]> {
    let mut row = || {
        let number = if random.below(4) == 0 { *random.of(&NUMBERS) } else { NUMBERS[random.below(2)] };
        [*random.of(&KEYS), number, *random.of(&TEXTS)]
    };
    let mut rows: Vec<_> = (0..8).map(|_| row()).collect();
    rows.truncate(random.below(9));
    rows
}

fn case(seed: u64) -> Case {
    let random = &mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let rows = rows(random);
    let is_json = random.below(3) == 0;
    let from = |name: &str| if is_json { json!(["in", 0, name]) } else { json!(name) };
    let mut columns = json!({
        "k": {"from": from("key")}, "n": {"from": from("n"), "type": "number", "nullable": true},
        "x": {"from": from("x y"), "optional": true}, "row": {"file": "row"},
    });
    let mut keys = vec!["k"];
    let given = [
        json!({"partition": "dt", "type": "date"}),
        json!({"file": "name", "pattern": "part-*.dat"}),
        json!({"file": "key"}),
        json!({"constant": 5}),
        json!({"file": "modified", "type": "date", "zone": "America/New_York"}),
    ];
    if random.below(2) == 0 {
        columns["given"] = random.of(&given).clone();
        keys.push("given");
    }
    let defaults = random
        .of(&[
            json!({}),
            json!({"trim": true, "null_values": ["", "-"]}),
            json!({"decimal": ","}),
            json!({"accounting": true, "null_values": ["-"]}),
        ])
        .clone();
    let shape = match random.below(3) {
        0 => json!({"keys": keys, "rows": {"order_by": ["n"]}}),
        1 => json!({"keys": keys, "rows": {"columns": ["x"], "delete_when": {"column": "x", "equal": "a"}}}),
        _ => {
            json!({"keys": keys, "values": {"n": "sum", "rows": {"count": "*"}, "last": {"last": "x", "order_by": "row"}}})
        }
    };
    let (format, bytes) = if is_json { documents(random, &rows) } else { csv(random, &rows) };
    let source = json!({
        "suffix": ".dat", "format": format, "columns": columns, "defaults": defaults, "on_bad_row": "quarantine",
        "on_bad_file": "quarantine",
    });
    let key = *random.of(&[
        "in/dt=2024-03-01/part-1.dat",
        "in/dt=2024-02-30/part-2.dat",
        "in/3.dat",
        "in/dt=2024-03-01/part-é.dat",
    ]);
    let target = json!({"table": "t", "on_overlap": "last_run"});
    (json!({"prefix": "in/", "source": source, "shape": shape, "target": target}), key.to_owned(), bytes)
}

fn csv(random: &mut Random, rows: &[[&str; 3]]) -> (Value, Vec<u8>) {
    let mut format = json!({"type": "csv"});
    let delimiter = *random.of(&[",", ";", "|", "\t"]);
    format["delimiter"] = json!(delimiter);
    let quote = *random.of(&[Some("\""), Some("'"), None]);
    format["quote"] = json!(quote);
    let escape = if quote.is_some() && random.below(2) == 0 { Some("\\") } else { None };
    format.as_object_mut().unwrap().extend(escape.map(|escape| ("escape".to_owned(), json!(escape))));
    let field = |text: &str| match quote {
        Some(quote) if text.contains([',', ';', '|', '\t', '"', '\'']) => {
            let within = escape.map_or_else(|| quote.repeat(2), |escape| format!("{escape}{quote}"));
            format!("{quote}{}{quote}", text.replace(quote, &within))
        }
        _ => text.to_owned(),
    };
    let mut order = [0, 1, 2];
    order.rotate_left(random.below(3));
    let line = |fields: &[&str; 3]| order.map(|place| field(fields[place])).join(delimiter);
    let mut lines: Vec<String> = Vec::new();
    if random.below(3) == 0 {
        format["skip"] = json!("to_header");
        lines.extend(["A report".to_owned(), "from here".to_owned()]);
    }
    match random.below(3) {
        0 if format.get("skip").is_none() => format["header"] = json!(order.map(|place| NAMES[place])),
        _ => lines.push(line(&NAMES)),
    }
    let is_ragged = random.below(3) == 0;
    format["ragged"] = json!(is_ragged);
    for row in rows {
        let behind = if random.below(6) == 0 { delimiter } else { "" };
        lines.push(line(row) + behind);
    }
    if random.below(3) == 0 {
        format["comment"] = json!("#");
        let place = random.below(lines.len() + 1);
        lines.insert(place, "# made by hand".to_owned());
    }
    if random.below(3) == 0 {
        format["end_at"] = json!(["Total", "Sum"]);
        lines.extend(["Totals".to_owned(), line(&["a", "1", "b"])]);
    } else if random.below(3) == 0 {
        format["skip_end"] = json!(1);
        lines.push(line(&["Total", "x", "y"]));
    }
    let text = lines.join(*random.of(&["\n", "\r\n"])) + "\n";
    let utf_16 = || text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let bytes: Vec<u8> = match random.below(5) {
        0 => {
            format["encoding"] = json!("windows-1252");
            text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
        }
        1 => {
            format["encoding"] = json!("utf-16");
            utf_16()
        }
        2 => [&[0xFF, 0xFE][..], &utf_16()].concat(),
        3 => [&b"\xEF\xBB\xBF"[..], text.as_bytes()].concat(),
        _ => text.into_bytes(),
    };
    (format, bytes)
}

fn documents(random: &mut Random, rows: &[[&str; 3]]) -> (Value, Vec<u8>) {
    let mut format = json!({"type": "json"});
    let objects: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut fields = Map::new();
            for (name, text) in NAMES.iter().zip(row) {
                let value = match (text.parse::<i64>(), random.below(6)) {
                    (_, 0) => Value::Null,
                    (_, 1) => continue,
                    (Ok(number), _) => json!(number),
                    _ => json!(text),
                };
                fields.insert((*name).to_owned(), value);
            }
            if random.below(8) == 0 { json!({"in": {"0": fields}}) } else { json!({"in": [fields, 5]}) }
        })
        .collect();
    let text = match random.below(3) {
        0 => objects.iter().map(|object| format!("{object}\n")).collect(),
        1 => Value::Array(objects).to_string(),
        _ => {
            format["records"] = json!(["page", "items"]);
            let (first, second) = objects.split_at(objects.len() / 2);
            format!("{}\n{}", json!({"page": {"items": first}}), json!({"n": [1], "page": {"items": second}}))
        }
    };
    (format, text.into_bytes())
}

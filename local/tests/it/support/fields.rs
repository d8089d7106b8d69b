//! The cases of `local/spec/fields`: of every field of a job's spec what it takes, with the table that comes of it, and
//! what is refused. And the fields that the schema of the language has, so that none is without cases.

use local::binaries::workspace;
use serde_json::{Map, Value, json};
use sluice::spec::Parts;
use std::collections::BTreeMap;
use std::fs;

/// A field, by its pattern: a JSON Pointer with `*` for a name of the job's own, such as `/source/columns/*/zone`.
/// Conditions stand at several places, so that their fields are under `/condition`.
pub(crate) struct Field {
    pub pattern: String,
    pub takes: Vec<Taken>,
    pub refuses: Vec<Refused>,
}

/// A spec that has the field, and what comes of some files by it.
pub(crate) struct Taken {
    /// Prefix and parts.
    pub spec: Value,
    /// The files of each run, by their keys.
    pub runs: Vec<Vec<(String, Vec<u8>)>>,
    /// What is done in the database before.
    pub before: String,
    pub ends: Ends,
    /// Whether the model of the language knows of what the case is about. It has no database, and reads no Parquet
    /// without a package that may not be there.
    pub is_for_model: bool,
}

/// What the last run ends with.
#[derive(Debug)]
pub(crate) enum Ends {
    /// The table as `psql --csv` has it: the header, then the rows in the order of their texts.
    Table(Vec<String>),
    /// An error that has this text in it.
    Fails(String),
}

/// A spec that is refused.
pub(crate) struct Refused {
    pub spec: Value,
    /// The field that the refusal names, as a JSON Pointer.
    pub at: String,
    /// A part of what it says.
    pub says: String,
}

/// The three parts of a spec.
pub(crate) fn parts(spec: &Value) -> Parts {
    let [source, shape, target] = ["source", "shape", "target"].map(|part| spec[part].clone());
    Parts { source, shape, target }
}

/// Header and rows, these in the order of their texts.
pub(crate) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines[1..].sort();
    lines
}

/// A row as `psql --csv` has it.
pub(crate) fn line(fields: &[String]) -> String {
    let quoted = |field: &String| match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.clone(),
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// All fields that have cases.
pub(crate) fn fields() -> Vec<Field> {
    let folder = workspace().join("local/spec/fields");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let cases: Map<String, Value> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.extend(cases.into_iter().map(|(pattern, cases)| {
            let all = |name: &str| cases[name].as_array().unwrap_or_else(|| panic!("{pattern}: no {name}")).iter();
            let (takes, refuses) = (all("takes").map(taken).collect(), all("refuses").map(refused).collect());
            Field { pattern, takes, refuses }
        }));
    }
    found
}

/// The spec of a case: rows of a key `k` and a column `x`, with the changes that the case makes. A part's field that is
/// null goes.
fn spec(case: &Value) -> Value {
    let mut spec = json!({
        "prefix": "in/", "source": {"suffix": ".csv", "columns": {"k": {}, "x": {}}}, "shape": {"keys": ["k"], "rows": {}},
        "target": {"table": "t", "create": true, "on_overlap": "last_run"},
    });
    if let Some(prefix) = case.get("prefix") {
        spec["prefix"] = prefix.clone();
    }
    // Of the two a shape has one.
    if case["shape"].get("values").is_some() {
        spec["shape"].as_object_mut().unwrap().remove("rows");
    }
    for part in ["source", "shape", "target"] {
        let fields = spec[part].as_object_mut().unwrap();
        for (name, value) in case[part].as_object().into_iter().flatten() {
            match value {
                Value::Null => fields.remove(name),
                value => fields.insert(name.clone(), value.clone()),
            };
        }
    }
    if let Some(x) = case.get("x") {
        spec["source"]["columns"]["x"] = x.clone();
    }
    // What cannot be read of some values is not what the case is about.
    if case.get("reads").is_some() {
        spec["source"]["on_bad_row"] = json!("quarantine");
    }
    spec
}

fn taken(case: &Value) -> Taken {
    let mut spec = spec(case);
    let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
    if let Some(reads) = case["reads"].as_object() {
        // Values of `x`, each with what it is in the table; null if its row is a bad one.
        let (mut file, mut table) = ("k,x\n".to_owned(), vec!["k,x".to_owned()]);
        for (number, (raw, shown)) in (1..).zip(reads) {
            file += &format!("{number},\"{}\"\n", raw.replace('"', "\"\""));
            table.extend(shown.as_str().map(|shown| line(&[number.to_string(), shown.to_owned()])));
        }
        // A file of which no row is good has a fault of its own.
        if table.len() == 1 {
            spec["source"]["on_bad_file"] = json!("quarantine");
        }
        let runs = vec![vec![("in/a.csv".to_owned(), file.into_bytes())]];
        return Taken { spec, runs, before: String::new(), ends: Ends::Table(sorted(table)), is_for_model: true };
    }
    let runs = match &case["in"] {
        Value::Array(runs) => runs.iter().map(files).collect(),
        one => vec![files(one)],
    };
    let ends = match case["table"].as_array() {
        Some(lines) => {
            Ends::Table(sorted(lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>()))
        }
        None => Ends::Fails(case["fails"].as_str().expect("a case has a table or fails").to_owned()),
    };
    let is_parquet = case["source"]["format"]["type"] == "parquet";
    Taken { spec, runs, before: text("before"), ends, is_for_model: case["model"] != false && !is_parquet }
}

/// The files of a run: the text of one, or several by their keys.
fn files(given: &Value) -> Vec<(String, Vec<u8>)> {
    let content = |content: &Value| match (content, &content["bytes"], &content["copy"]) {
        (Value::String(text), ..) => text.clone().into_bytes(),
        // A byte for each character.
        (_, Value::String(bytes), _) => bytes.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect(),
        (.., Value::String(path)) => fs::read(workspace().join("local/spec").join(path)).unwrap(),
        _ => panic!("{content} is no file"),
    };
    match given {
        Value::Object(files) => files.iter().map(|(key, file)| (key.clone(), content(file))).collect(),
        file => vec![("in/a.csv".to_owned(), content(file))],
    }
}

fn refused(case: &Value) -> Refused {
    let text = |name: &str| case[name].as_str().unwrap_or_else(|| panic!("{case} lacks {name}")).to_owned();
    Refused { spec: spec(case), at: text("at"), says: text("says") }
}

/// The schema of the language.
pub(crate) struct Schema(Value);

impl Schema {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(workspace().join("local/spec/spec.schema.json")).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// The patterns of all fields, each with the words among which it chooses; none if there are no such.
    pub(crate) fn fields(&self) -> BTreeMap<String, Vec<Value>> {
        let mut found = BTreeMap::new();
        self.walk(&self.0, "", &mut found);
        // The parts themselves are parameters of the template.
        found.retain(|pattern, _| !["/source", "/shape", "/target"].contains(&pattern.as_str()));
        found
    }

    /// What a node refers to, and the pattern of what is below it.
    fn resolved<'s>(&'s self, node: &'s Value, pattern: &str) -> (&'s Value, String) {
        match node["$ref"].as_str() {
            Some("#/$defs/condition") => (&self.0["$defs"]["condition"], "/condition".to_owned()),
            Some(reference) => self.resolved(self.0.pointer(&reference[1..]).expect("it refers to something"), pattern),
            None => (node, pattern.to_owned()),
        }
    }

    /// The fields right below a node, by their patterns' last steps.
    fn below(node: &Value) -> impl Iterator<Item = (&str, &Value)> {
        let named = node["properties"].as_object().into_iter().flatten().map(|(name, field)| (name.as_str(), field));
        let free = node.get("additionalProperties").map(|field| ("*", field));
        named.chain(free).filter(|(_, field)| field.is_object())
    }

    fn walk(&self, node: &Value, pattern: &str, found: &mut BTreeMap<String, Vec<Value>>) {
        let (node, pattern) = self.resolved(node, pattern);
        for (name, field) in Self::below(node) {
            let inner = format!("{pattern}/{name}");
            if found.insert(inner.clone(), self.words(field)).is_none() {
                self.walk(field, &inner, found);
            }
        }
        for inner in node["oneOf"].as_array().into_iter().flatten().chain(node.get("items")) {
            self.walk(inner, &pattern, found);
        }
    }

    /// The words among which a field chooses: all of an enumeration, or what is not the default of a flag.
    fn words(&self, node: &Value) -> Vec<Value> {
        let default = node.get("default").cloned();
        let (node, _) = self.resolved(node, "");
        let mut words: Vec<Value> = node["enum"].as_array().cloned().unwrap_or_default();
        words.extend(node.get("const").cloned());
        if node["type"] == "boolean" {
            let default = default.or_else(|| node.get("default").cloned());
            words.extend([json!(true), json!(false)].into_iter().filter(|flag| Some(flag) != default.as_ref()));
        }
        words.extend(node["oneOf"].as_array().into_iter().flatten().flat_map(|one| self.words(one)));
        words
    }

    /// The values that a spec has, by the patterns of their fields.
    pub(crate) fn values(&self, spec: &Value) -> BTreeMap<String, Vec<Value>> {
        let mut found = BTreeMap::new();
        self.look(&self.0, spec, "", &mut found);
        found
    }

    fn look(&self, node: &Value, value: &Value, pattern: &str, found: &mut BTreeMap<String, Vec<Value>>) {
        let (node, pattern) = self.resolved(node, pattern);
        for (name, field) in Self::below(node) {
            let given = value.as_object().into_iter().flatten();
            let of_field = given.filter(|(given, _)| match name {
                "*" => node["properties"].get(given.as_str()).is_none(),
                name => given.as_str() == name,
            });
            for (_, value) in of_field {
                let inner = format!("{pattern}/{name}");
                found.entry(inner.clone()).or_default().push(value.clone());
                self.look(field, value, &inner, found);
            }
        }
        for inner in node["oneOf"].as_array().into_iter().flatten() {
            self.look(inner, value, &pattern, found);
        }
        for (items, item) in node
            .get("items")
            .into_iter()
            .flat_map(|items| value.as_array().into_iter().flatten().map(move |item| (items, item)))
        {
            self.look(items, item, &pattern, found);
        }
    }
}

//! The columns of some files, with what stands in their first rows, read by the function's own code as texts.

use super::dialect::{Dialect, dialect, end_at};
use super::text::decode;
use crate::file;
use crate::reading::{all_rows, told};
use local::inspection::File;
use parquet_metadata::{File as ParquetFile, TAIL_BYTES, Tail, tail};
use serde_json::{Map, Value, json};
use sluice::spec::{FileType, without_packing};
use std::collections::BTreeSet;
use std::fs;

/// How much of each file is looked at, in bytes, to find out how it is written.
const HEAD_BYTES: usize = 1 << 20;

/// How many rows are looked at, to find out what is in the columns.
const MOST_ROWS: usize = 10_000;

/// The most metadata of a Parquet file, in bytes.
const MOST_METADATA: u64 = 32 << 20;

/// How deep objects of JSON are looked into.
const MOST_STEPS: usize = 8;

/// The columns of some files.
pub(super) struct Sample {
    /// What the files hold.
    pub(super) kind: FileType,
    /// The part `source` as far as it is known: all but its columns.
    pub(super) source: Value,
    /// The columns, in their order.
    pub(super) columns: Vec<Column>,
    /// What is not told.
    pub(super) unsure: Vec<String>,
}

/// A column, with what stands in it.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// What it is called in the file.
    pub(super) title: String,
    /// What it is called in the job.
    pub(super) name: String,
    /// Where it is, as the spec has it: an object with `from` or `partition`.
    pub(super) place: Value,
    /// The texts of the first rows; `None`: null.
    pub(super) cells: Vec<Option<String>>,
}

impl Sample {
    /// Reads the first rows again, after the format was changed.
    ///
    /// # Errors
    /// None of them can be read.
    pub(super) fn read_again(&mut self, files: &[File]) -> Result<(), String> {
        fill(&mut self.columns, &self.source, self.kind, files, &mut self.unsure)
    }

    /// Takes away the last rows, which are no rows.
    pub(super) fn drop_last(&mut self, count: usize) {
        let first = |column: &Column| column.cells[column.cells.len() - count].clone();
        let first = self.columns.first().and_then(first).unwrap_or_default();
        let mut format = self.source["format"].as_object().cloned().map_or_else(|| json!({}), Value::Object);
        end_at(&mut format, &first, &first, count);
        self.source["format"] = format;
        for column in &mut self.columns {
            column.cells.truncate(column.cells.len() - count);
        }
        let lines = if count == 1 { "the last line is".to_owned() } else { format!("the last {count} lines are") };
        self.unsure.push(format!(
            "{lines} not read, since what stands there fits no other row: drop \"end_at\" or \"skip_end\" of \"format\" if it is \
             otherwise"
        ));
    }
}

/// The columns of files.
///
/// # Errors
/// They do not agree, or cannot be read.
pub(super) fn sample(files: &[File]) -> Result<Sample, String> {
    let mut filled = Vec::new();
    for file in files {
        // An empty file is a good one, and tells nothing.
        if !file::head(file, 1).map_err(told)?.0.is_empty() {
            filled.push(file.clone());
        }
    }
    let files = &filled[..];
    let first = files.first().ok_or("the files are empty")?;
    let suffixes: BTreeSet<String> = files.iter().map(|file| suffix(&file.key)).collect();
    let mut unsure = Vec::new();
    let (kind, mut format, mut titles) = written(first, &mut unsure)?;
    for file in &files[1..] {
        let mut other_unsure = Vec::new();
        let (other_kind, other_format, other_titles) = written(file, &mut other_unsure)?;
        let differs = |what: &str, one: &str, other: &str| {
            format!(
                "the files do not agree: {what} of {} {one}, of {} {other}. Give files of one kind only",
                first.key, file.key
            )
        };
        if kind != other_kind {
            return Err(differs("the type", &format!("is {}", json!(kind)), &json!(other_kind).to_string()));
        }
        match kind {
            FileType::Json => {
                titles.extend(other_titles.into_iter().filter(|title| !titles.contains(title)).collect::<Vec<_>>())
            }
            _ => {
                let sorted =
                    |titles: &[Vec<String>]| titles.iter().map(|title| title.join(".")).collect::<BTreeSet<_>>();
                let (one, other) = (sorted(&titles), sorted(&other_titles));
                if one != other {
                    let only = |of: &BTreeSet<String>, than: &BTreeSet<String>| {
                        let only: Vec<String> = of.difference(than).map(|name| format!("{name:?}")).collect();
                        format!("has [{}]", only.join(", "))
                    };
                    return Err(differs("the header", &only(&one, &other), &only(&other, &one)));
                }
            }
        }
        merge(&mut format, &other_format).map_err(|(field, one, other)| {
            differs(&format!("format.{field}"), &format!("is {one}"), &format!("{other}"))
        })?;
        let new: Vec<String> = other_unsure.into_iter().filter(|line| !unsure.contains(line)).collect();
        unsure.extend(new);
    }
    let suffixes: Vec<String> = suffixes.into_iter().collect();
    let told_by_suffix = suffixes.iter().all(|suffix| {
        !suffix.is_empty() && without_packing(suffix).is_none() && FileType::of_key(&format!("x{suffix}")) == kind
    });
    if !told_by_suffix {
        format["type"] = json!(kind);
    }
    let mut source = json!({"suffix": if let [one] = &suffixes[..] { json!(one) } else { json!(suffixes) }});
    if format.as_object().is_some_and(|format| !format.is_empty()) {
        source["format"] = format;
    }
    let mut columns = columns(&titles, files, &mut unsure);
    fill(&mut columns, &source, kind, files, &mut unsure)?;
    Ok(Sample { kind, source, columns, unsure })
}

/// Adds what another file says of its format.
///
/// # Errors
/// A field on which they do not agree, and what both say.
fn merge(format: &mut Value, other: &Value) -> Result<(), (String, Value, Value)> {
    // One file may have comments, a footer, a row that is too short, or a letter beyond ASCII, where another has none.
    const MAY_LACK: [&str; 6] = ["comment", "ragged", "end_at", "skip_end", "encoding", "skip"];
    let empty = Map::new();
    let fields: BTreeSet<String> =
        [&*format, other].iter().flat_map(|format| format.as_object().unwrap_or(&empty).keys().cloned()).collect();
    for field in fields {
        match (format.get(&field).cloned(), other.get(&field)) {
            (Some(one), Some(other)) if one == *other => {}
            (None, Some(other)) if MAY_LACK.contains(&field.as_str()) => format[field] = other.clone(),
            (Some(_), None) if MAY_LACK.contains(&field.as_str()) => {}
            (one, other) => {
                return Err((
                    field,
                    one.unwrap_or_else(|| "usual".into()),
                    other.cloned().unwrap_or_else(|| "usual".into()),
                ));
            }
        }
    }
    Ok(())
}

/// The suffix by which a run finds files like this one, in small letters.
fn suffix(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or_default();
    let plain = without_packing(name).unwrap_or(name);
    let of = |name: &str| name.rfind('.').filter(|place| *place > 0).map(|place| name[place..].to_lowercase());
    of(plain).filter(|suffix| suffix.len() <= 10 && !suffix.contains(' ')).or_else(|| of(name)).unwrap_or_default()
}

/// How a file is written, and the ways to its columns.
fn written(file: &File, unsure: &mut Vec<String>) -> Result<(FileType, Value, Vec<Vec<String>>), String> {
    let named = |what: String| format!("{}: {what}", file.key);
    let (head, is_whole) = file::head(file, HEAD_BYTES).map_err(told)?;
    if head.starts_with(b"PAR1") {
        let names = parquet_columns(file, unsure).map_err(named)?;
        return Ok((FileType::Parquet, json!({}), names));
    }
    let decoded = decode(&head);
    let begins = decoded.text.trim_start();
    if begins.starts_with('{')
        || begins.starts_with("[{")
        || begins.starts_with('[') && FileType::of_key(&file.key) == FileType::Json
    {
        let (format, ways) =
            json_columns(&decoded.text).ok_or_else(|| named("there is no object of JSON in it".to_owned()))?;
        return Ok((FileType::Json, format, ways));
    }
    let Dialect { mut format, header, unsure: found } = dialect(&decoded.text, is_whole).map_err(named)?;
    unsure.extend(found);
    if let Some(encoding) = decoded.encoding {
        format["encoding"] = encoding.into();
    }
    if decoded.is_guess {
        unsure.push(
            "the file is not UTF-8, and is read as windows-1252, the usual encoding of Western Europe. Write another one in \
             \"encoding\" of \"format\" if letters look wrong"
                .to_owned(),
        );
    }
    Ok((FileType::Csv, format, header.into_iter().map(|name| vec![name]).collect()))
}

fn parquet_columns(file: &File, unsure: &mut Vec<String>) -> Result<Vec<Vec<String>>, String> {
    let input = fs::File::open(&file.path).map_err(|error| error.to_string())?;
    let size = input.metadata().map_err(|error| error.to_string())?.len();
    let mut tail_len = size.min(TAIL_BYTES);
    loop {
        let bytes = file::bytes(file, &input, size - tail_len..size).map_err(told)?;
        match tail(&bytes, size, MOST_METADATA).map_err(|flaw| flaw.to_string())? {
            Tail::Short(needed) => tail_len = needed,
            Tail::Metadata(metadata) => {
                let read = ParquetFile::read(metadata).map_err(|flaw| flaw.to_string())?;
                for list in &read.lists {
                    let name = list.join(".");
                    unsure.push(format!(
                        "the column {name:?} is not read, since it is a list or a map, and a row has one value for a column"
                    ));
                }
                return Ok(read.ways);
            }
        }
    }
}

/// How a text of JSON is written, and the ways to its plain values.
fn json_columns(text: &str) -> Option<(Value, Vec<Vec<String>>)> {
    let mut documents = documents(text);
    let mut format = json!({});
    if let [Value::Object(only)] = &documents[..] {
        // One document, with its rows in an array.
        let is_of_objects =
            |value: &Value| value.as_array().is_some_and(|rows| rows.first().is_some_and(Value::is_object));
        let mut arrays = only.iter().filter(|(_, value)| is_of_objects(value));
        if let (Some((name, rows)), None) = (arrays.next(), arrays.next()) {
            format["records"] = json!([name]);
            documents = rows.as_array().cloned().unwrap_or_default();
        }
    }
    let mut ways = Vec::new();
    let mut nested = BTreeSet::new();
    let objects = documents.iter().filter_map(Value::as_object);
    objects.for_each(|object| find_ways(object, &mut Vec::new(), &mut ways, &mut nested));
    // What is nested in some row is no plain value in others, but a null.
    ways.retain(|way| !nested.contains(way));
    (!ways.is_empty()).then_some((format, ways))
}

/// The objects of a text: one behind the other, or in an array. Of one that was cut off those before its end.
fn documents(text: &str) -> Vec<Value> {
    if let Some(inner) = text.trim_start().strip_prefix('[') {
        if let Ok(Value::Array(all)) = serde_json::from_str(text) {
            return all;
        }
        let mut found = Vec::new();
        let mut rest = inner.trim_start();
        loop {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter();
            let Some(Ok(value)) = stream.next() else { return found };
            found.push(value);
            rest = rest[stream.byte_offset()..].trim_start().trim_start_matches(',').trim_start();
        }
    }
    serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}')).into_iter().map_while(Result::ok).collect()
}

/// Adds the ways to the plain values of an object, and those to objects and arrays.
fn find_ways(
    object: &Map<String, Value>,
    way: &mut Vec<String>,
    ways: &mut Vec<Vec<String>>,
    nested: &mut BTreeSet<Vec<String>>,
) {
    for (name, value) in object {
        way.push(name.clone());
        match value {
            Value::Object(inner) => {
                nested.insert(way.clone());
                if way.len() < MOST_STEPS {
                    find_ways(inner, way, ways, nested);
                }
            }
            Value::Array(_) => {
                nested.insert(way.clone());
            }
            _ if ways.contains(way) => {}
            _ => ways.push(way.clone()),
        }
        way.pop();
    }
}

/// The columns of these ways and those that all keys give, with names of their own.
fn columns(ways: &[Vec<String>], files: &[File], unsure: &mut Vec<String>) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut titles = BTreeSet::new();
    let mut names = BTreeSet::new();
    let of_first: Vec<&str> = files.first().into_iter().flat_map(|file| partitions(&file.key)).collect();
    let common = |name: &&str| files.iter().all(|file| partitions(&file.key).any(|other| other == *name));
    let of_keys = of_first.into_iter().filter(common).map(|name| (name.to_owned(), json!({"partition": name})));
    let ways = ways.iter().filter(|way| way.iter().any(|step| !step.is_empty())).map(|way| {
        let from = if let [name] = &way[..] { json!(name) } else { json!(way) };
        (way.join("."), json!({"from": from}))
    });
    for (title, mut place) in of_keys.chain(ways) {
        if !titles.insert(title.clone()) {
            unsure.push(format!(
                "{title:?} is the name of two columns, and is not read: a file says which one it means by one name each"
            ));
            columns.retain(|column| column.title != title);
            continue;
        }
        let name = free(&plain(&title), &mut names);
        if place["from"] == name.as_str() {
            place = json!({});
        }
        columns.push(Column { title, name, place, cells: Vec::new() });
    }
    columns
}

fn partitions(key: &str) -> impl Iterator<Item = &str> {
    let folders = key.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').filter_map(|part| Some(part.split_once('=')?.0).filter(|name| !name.is_empty()))
}

/// A text as the name of a column: small letters and digits, with underscores between words.
pub(super) fn plain(text: &str) -> String {
    let is_word = |character: char| character.is_alphanumeric();
    let words: Vec<String> =
        text.split(|character| !is_word(character)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let mut name = words.join("_");
    while name.len() > 50 {
        name.pop();
    }
    if name.is_empty() {
        "column".to_owned()
    } else if name.starts_with("sluice_") {
        format!("c_{name}")
    } else {
        name
    }
}

/// A name that is not taken yet.
pub(super) fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let found = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(found.clone());
    found
}

/// Reads the first rows. A column that the function cannot read as texts is left out.
fn fill(
    columns: &mut Vec<Column>,
    source: &Value,
    kind: FileType,
    files: &[File],
    unsure: &mut Vec<String>,
) -> Result<(), String> {
    let names: Vec<String> = (0..columns.len()).map(|place| format!("c{place:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let read = |columns: &[Column], places: &[usize]| {
        let mut source = source.clone();
        source["columns"] = json!({});
        for place in places {
            let column = &columns[*place];
            let mut as_text = column.place.clone();
            if as_text.as_object().is_some_and(Map::is_empty) {
                as_text = json!({"from": column.title});
            }
            source["columns"][names[*place]] = as_text;
        }
        let names: Vec<&str> = places.iter().map(|place| names[*place]).collect();
        all_rows(&source, &names, files, MOST_ROWS)
    };
    let all: Vec<usize> = (0..columns.len()).collect();
    let mut readable = all.clone();
    if kind == FileType::Parquet {
        // One that cannot be read would keep all others from being read.
        readable.retain(|place| read(columns, &[*place]).is_ok_and(|(rows, _)| !rows.is_empty()));
    }
    let (rows, bad_file) = read(columns, &readable)?;
    if rows.is_empty() {
        return Err(bad_file.unwrap_or_else(|| format!("{}: no row in it can be read", files[0].key)));
    }
    for (place, column) in readable.iter().enumerate() {
        columns[*column].cells = rows.iter().map(|row| row[place].clone()).collect();
    }
    for place in all.iter().rev().filter(|place| !readable.contains(place)) {
        let column = columns.remove(*place);
        unsure.push(format!(
            "the column {:?} is not read, since its values are no texts, numbers or times",
            column.title
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_and_names_are_made_plain() {
        for (key, expected) in [
            ("in/a.csv", ".csv"),
            ("in/a.CSV.gz", ".csv"),
            ("in/stream-1-aa.gz", ".gz"),
            ("in/a", ""),
            ("in/v1.2/a", ""),
            ("part-0.snappy.parquet", ".parquet"),
        ] {
            assert_eq!(suffix(key), expected, "{key}");
        }
        for (title, expected) in [
            ("Start date", "start_date"),
            ("Größe (cm)", "größe_cm"),
            ("sluice_x", "c_sluice_x"),
            ("%", "column"),
            ("id", "id"),
        ] {
            assert_eq!(plain(title), expected);
        }
        let mut taken = BTreeSet::new();
        assert_eq!([free("a", &mut taken), free("a", &mut taken)], ["a", "a_2"]);
    }

    #[test]
    fn json_is_looked_into() {
        let way = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let lines = "{\"a\": 1, \"b\": {\"c\": \"x\", \"d\": [1]}}\n{\"a\": 2, \"e\": null}\n{\"a\"";
        assert_eq!(json_columns(lines), Some((json!({}), vec![way(&["a"]), way(&["b", "c"]), way(&["e"])])));
        let mixed = "{\"a\": null, \"b\": 1}\n{\"a\": {\"c\": 1}, \"b\": [1]}";
        assert_eq!(json_columns(mixed), Some((json!({}), vec![way(&["a", "c"])])));
        let cut = "[{\"a\": 1}, {\"a\": 2}, {\"b\"";
        assert_eq!(json_columns(cut), Some((json!({}), vec![way(&["a"])])));
        let within = "{\"count\": 2, \"data\": [{\"a\": 1}, {\"b\": 2}]}";
        assert_eq!(json_columns(within), Some((json!({"records": ["data"]}), vec![way(&["a"]), way(&["b"])])));
        assert_eq!(json_columns("[1, 2]"), None);
    }
}

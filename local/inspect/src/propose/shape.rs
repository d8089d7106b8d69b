//! What could become of the rows: values by key, or each row as it is.

use super::sample::{Column, Sample, free, plain};
use super::typed::Typed;
use local::inspection::Wishes;
use serde_json::{Value, json};
use sluice::spec::{ColumnType, did_you_mean};
use std::collections::{BTreeMap, BTreeSet};

/// The most categories of a column that is put into columns unasked.
const MOST_CATEGORIES: usize = 12;

/// The most categories that are written down.
const MOST_WRITTEN: usize = 60;

/// The most columns that are added up unasked.
const MOST_VALUES: usize = 8;

/// Words in the names of columns that number something: they are not added up.
const IDS: [&str; 16] = [
    "id", "ids", "nr", "no", "num", "number", "key", "uuid", "guid", "code", "zip", "plz", "year", "month", "index",
    "version",
];

/// Words in the names of columns whose values are categories.
const CATEGORIES: [&str; 8] = ["project", "projekt", "category", "kategorie", "type", "kind", "product", "status"];

/// Words in the names of times by which the newest row is known.
const NEWEST: [&str; 6] = ["updated", "modified", "changed", "timestamp", "version", "geändert"];

/// What becomes of the rows.
pub(super) struct Shaped {
    /// The columns that are used, by name.
    pub(super) columns: Vec<(String, Value)>,
    /// The part `shape`.
    pub(super) shape: Value,
    /// The mode.
    pub(super) on_overlap: &'static str,
    /// What is not told.
    pub(super) unsure: Vec<String>,
}

/// The columns and what is known of them.
struct Table<'s> {
    columns: &'s [Column],
    typed: Vec<Typed>,
    rows: usize,
}

/// What could become of the rows of a sample.
///
/// # Errors
/// There is not what is wished for.
pub(super) fn shape(sample: &Sample, typed: &[Typed], wishes: &Wishes) -> Result<Shaped, String> {
    let rows = sample.columns.first().map_or(0, |column| column.cells.len());
    let table = Table { columns: &sample.columns, typed: typed.to_vec(), rows };
    let keys = wishes.keys.iter().map(|name| table.named(name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(key) = keys.iter().find(|key| table.kind(**key) == ColumnType::Duration) {
        return Err(format!("{:?} is a duration, which is no key", table.columns[*key].title));
    }
    let is_by_value = !wishes.rows && (!wishes.values.is_empty() || wishes.pivot.is_some() || table.adds_up(&keys));
    if is_by_value { table.values(keys, wishes) } else { Ok(table.all_rows(keys)) }
}

impl Table<'_> {
    fn kind(&self, column: usize) -> ColumnType {
        self.typed[column].kind
    }

    /// The column that a person means.
    fn named(&self, name: &str) -> Result<usize, String> {
        let name = name.trim();
        let found = self
            .columns
            .iter()
            .position(|column| column.title == name)
            .or_else(|| self.columns.iter().position(|column| column.name == name));
        found.ok_or_else(|| {
            let titles: Vec<&str> = self.columns.iter().map(|column| column.title.as_str()).collect();
            let hint = did_you_mean(name, titles.iter().copied());
            format!("there is no column {name:?} in the files{hint}; they have [{}]", titles.join(", "))
        })
    }

    fn has_word(&self, column: usize, words: &[&str]) -> bool {
        let title = &self.columns[column].title;
        // Also of nameLikeThis.
        let mut spaced = String::new();
        let mut was_small = false;
        for character in title.chars() {
            if was_small && character.is_uppercase() {
                spaced.push(' ');
            }
            was_small = character.is_lowercase();
            spaced.extend(character.to_lowercase());
        }
        spaced.split(|character: char| !character.is_alphanumeric()).any(|word| words.contains(&word))
    }

    fn is_number(&self, column: usize) -> bool {
        matches!(self.kind(column), ColumnType::Integer | ColumnType::Number | ColumnType::Duration)
    }

    /// The columns that can be added up.
    fn measures(&self) -> Vec<usize> {
        let is_unit = |column: usize| self.has_word(column, &["latitude", "longitude", "lat", "lon", "price", "rate"]);
        (0..self.columns.len())
            .filter(|column| self.is_number(*column) && !self.has_word(*column, &IDS) && !is_unit(*column))
            .collect()
    }

    /// The first column of days or times.
    fn day(&self) -> Option<usize> {
        let is_day = |kind| matches!(kind, ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz);
        (0..self.columns.len()).find(|column| is_day(self.kind(*column)) && !self.typed[*column].has_nulls)
    }

    /// The values of a text column, and how often each is there.
    fn categories(&self, column: usize) -> BTreeMap<&str, usize> {
        let mut found = BTreeMap::new();
        for cell in self.columns[column].cells.iter().flatten() {
            *found.entry(cell.trim()).or_default() += 1;
        }
        found
    }

    /// The column whose values are clearly categories.
    fn category(&self) -> Option<usize> {
        let counts =
            (0..self.columns.len()).filter(|column| self.kind(*column) == ColumnType::Text).filter_map(|column| {
                let count = self.categories(column).len();
                let is_clear = (2..=MOST_CATEGORIES).contains(&count) && self.rows >= 2 * count;
                is_clear.then_some((!self.has_word(column, &CATEGORIES), count, column))
            });
        counts.min().map(|(_, _, column)| column)
    }

    fn is_key(&self, column: usize) -> bool {
        self.kind(column) != ColumnType::Duration && !self.typed[column].has_nulls
    }

    /// Whether no two rows agree in these columns.
    fn is_unique(&self, columns: &[usize]) -> bool {
        let mut seen = BTreeSet::new();
        let row =
            |row: usize| columns.iter().map(|column| self.columns[*column].cells[row].as_deref()).collect::<Vec<_>>();
        self.rows > 1
            && columns.iter().all(|column| self.is_key(*column))
            && (0..self.rows).all(|number| seen.insert(row(number)))
    }

    /// The column that numbers the rows.
    fn id(&self) -> Option<usize> {
        (0..self.columns.len()).find(|column| self.has_word(*column, &IDS) && self.is_unique(&[*column]))
    }

    /// The time by which the newest of several rows is known.
    fn newest(&self) -> Option<usize> {
        let is_time = |kind| matches!(kind, ColumnType::Timestamp | ColumnType::Timestamptz | ColumnType::Date);
        (0..self.columns.len()).find(|column| is_time(self.kind(*column)) && self.has_word(*column, &NEWEST))
    }

    /// The columns that are a key: one, or else two.
    fn key_of_rows(&self) -> Option<Vec<usize>> {
        let measures = self.measures();
        let mut plain: Vec<usize> = (0..self.columns.len()).filter(|column| !measures.contains(column)).collect();
        plain.sort_by_key(|column| !self.has_word(*column, &IDS));
        let one = self.id().or_else(|| plain.iter().copied().find(|column| self.is_unique(&[*column])));
        // What changes from time to time has an id, and comes several times.
        let is_changing = |column: &usize| self.has_word(*column, &IDS) && self.is_key(*column);
        let one = one.or_else(|| self.newest().and_then(|_| plain.iter().copied().find(is_changing)));
        one.map(|column| vec![column]).or_else(|| {
            let mut pairs = plain
                .iter()
                .enumerate()
                .flat_map(|(place, one)| plain[place + 1..].iter().map(|other| vec![*one, *other]));
            pairs.find(|pair| self.is_unique(pair))
        })
    }

    /// Whether rows are rather added up than kept.
    fn adds_up(&self, keys: &[usize]) -> bool {
        let has_measures = self.measures().iter().any(|column| !keys.contains(column));
        match keys {
            [] => self.id().is_none() && has_measures && (self.day().is_some() || self.category().is_some()),
            keys => has_measures && !self.is_unique(keys),
        }
    }

    /// Values by key.
    fn values(mut self, given: Vec<usize>, wishes: &Wishes) -> Result<Shaped, String> {
        let mut unsure = Vec::new();
        let pivot = wishes.pivot.as_deref().map(|name| self.named(name)).transpose()?;
        let mut values: Vec<(usize, String)> = Vec::new();
        for (name, aggregate) in &wishes.values {
            values.push((self.named(name)?, aggregate.clone()));
        }
        let mut keys = given;
        if keys.is_empty() {
            let found = self.day().or_else(|| self.category().filter(|column| Some(*column) != pivot));
            keys =
                vec![found.ok_or("no column of days or categories is found that could be a key: say --keys COLUMN")?];
        }
        let is_used = |column: &usize| keys.contains(column) || pivot == Some(*column);
        if values.is_empty() {
            let measures = self.measures().into_iter().filter(|column| !is_used(column)).take(MOST_VALUES);
            values = measures.map(|column| (column, "sum".to_owned())).collect();
        }
        let pivot = pivot.or_else(|| {
            let is_free = |column: &usize| !keys.contains(column) && values.iter().all(|(value, _)| value != column);
            if wishes.keys.is_empty() { self.category().filter(is_free) } else { None }
        });
        for key in &keys {
            self.make_day(*key, &mut unsure);
            self.make_key(*key, &mut unsure);
        }
        let mut shape = json!({"keys": self.names(&keys), "values": {}});
        for (column, aggregate) in &values {
            shape["values"][&self.columns[*column].name] = aggregate.as_str().into();
        }
        if values.is_empty() {
            shape["values"]["rows"] = json!({"count": "*"});
        }
        if let Some(column) = pivot {
            shape["pivot"] = self.pivot(column, &keys, &mut unsure);
        }
        unsure.push(
            "every row is taken to be in one file only (on_overlap: all_files). Write \"newest_file\" if a newer file repeats what \
             an older one says, as snapshots and exports of overlapping time do"
                .to_owned(),
        );
        let used: Vec<usize> =
            keys.iter().copied().chain(pivot).chain(values.iter().map(|(column, _)| *column)).collect();
        Ok(self.shaped(&used, shape, "all_files", unsure))
    }

    /// The part `pivot` of a shape.
    fn pivot(&self, column: usize, keys: &[usize], unsure: &mut Vec<String>) -> Value {
        let mut taken: BTreeSet<String> = self.names(keys).into_iter().collect();
        let categories = self.categories(column);
        let mut into = json!({});
        // Those that differ in the case of their letters alone share a column.
        let mut shared: BTreeMap<String, String> = BTreeMap::new();
        for category in categories.keys().take(MOST_WRITTEN) {
            let name = shared.entry(category.to_lowercase()).or_insert_with(|| free(&plain(category), &mut taken));
            into[*category] = name.as_str().into();
        }
        let other = free("other", &mut taken);
        unsure.push(format!(
            "column {:?}: each of its {} values becomes a column, and any other one goes to {other:?}. Write \"other\": \"bad_row\" \
             if there is no other one, or --keys with it if it is to be a key",
            self.columns[column].title,
            categories.len(),
        ));
        json!({"on": self.columns[column].name, "into": into, "other": {"into": other}})
    }

    /// Every row as it is.
    fn all_rows(mut self, given: Vec<usize>) -> Shaped {
        let mut unsure = Vec::new();
        let is_given = !given.is_empty();
        let found = if is_given { Some(given) } else { self.key_of_rows() };
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let Some(keys) = found else {
            let mut taken: BTreeSet<String> = self.names(&all).into_iter().collect();
            let [file, row] = ["file", "row"].map(|name| free(name, &mut taken));
            unsure.push(format!(
                "no column is found whose values tell rows apart, so the keys are the file's name and the number of the row in it: \
                 a file that is sent again replaces what it said. Write other \"keys\" in place of {file:?} and {row:?}"
            ));
            let mut shaped = self.shaped(&all, json!({"keys": [file, row], "rows": {}}), "newest_file", unsure);
            shaped.columns.push((file, json!({"file": "name"})));
            shaped.columns.push((row, json!({"file": "row", "type": "integer"})));
            return shaped;
        };
        for key in &keys {
            self.make_key(*key, &mut unsure);
        }
        if !is_given {
            let titles: Vec<String> = keys.iter().map(|key| format!("{:?}", self.columns[*key].title)).collect();
            let why = match self.is_unique(&keys) {
                true => format!("since no two of the first {} rows have the same", self.rows),
                false => "which several rows may have".to_owned(),
            };
            unsure.push(format!("the key is {}, {why}. Write other \"keys\" if it is not", titles.join(" with ")));
        }
        let newest = self.newest();
        let mut rows = json!({});
        match newest {
            Some(column) => {
                rows["order_by"] = json!([self.columns[column].name]);
                unsure.push(format!("of several rows with one key the one of the latest {:?} counts", self.columns[column].title));
            }
            None => unsure.push(
                "of several rows with one key the one in the newest file counts (on_overlap: newest_row). Write \"order_by\" with a \
                 column if that says which is the newest"
                    .to_owned(),
            ),
        }
        let shape = json!({"keys": self.names(&keys), "rows": rows});
        self.shaped(&all, shape, "newest_row", unsure)
    }

    fn names(&self, columns: &[usize]) -> Vec<String> {
        columns.iter().map(|column| self.columns[*column].name.clone()).collect()
    }

    /// Of a time its day is the key.
    fn make_day(&mut self, column: usize, unsure: &mut Vec<String>) {
        let typed = &mut self.typed[column];
        let was = typed.kind;
        if !matches!(was, ColumnType::Timestamp | ColumnType::Timestamptz) {
            return;
        }
        let title = &self.columns[column].title;
        let mut zone = String::new();
        if was == ColumnType::Timestamptz {
            typed.fields["zone"] = "UTC".into();
            zone = " in UTC (write another \"zone\", such as \"Europe/Berlin\", if days begin there)".to_owned();
        }
        typed.kind = ColumnType::Date;
        typed.fields["type"] = "date".into();
        unsure.push(format!(
            "column {title:?}: of each time its day{zone} is the key. Write \"type\": \"{}\" if every time is to be a row",
            was.as_str()
        ));
    }

    /// A key is never null.
    fn make_key(&mut self, column: usize, unsure: &mut Vec<String>) {
        let typed = &mut self.typed[column];
        if let Some(fields) = typed.fields.as_object_mut() {
            fields.remove("nullable");
        }
        if typed.has_nulls {
            unsure.push(format!(
                "column {:?}: it is a key, so rows without a value are bad rows. Write \"if_null\" with a value for them",
                self.columns[column].title
            ));
        }
    }

    /// All of it, with the columns that are used, and what they do not tell.
    fn shaped(&self, used: &[usize], shape: Value, on_overlap: &'static str, unsure: Vec<String>) -> Shaped {
        let used: BTreeSet<usize> = used.iter().copied().collect();
        let columns = used.iter().map(|column| {
            let Column { name, place, .. } = &self.columns[*column];
            let mut whole = place.clone();
            for (field, value) in self.typed[*column].fields.as_object().into_iter().flatten() {
                whole[field] = value.clone();
            }
            let is_short = whole.as_object().is_some_and(|fields| fields.len() == 1) && whole["from"].is_string();
            (name.clone(), if is_short { whole["from"].clone() } else { whole })
        });
        let columns = columns.collect();
        let mut all: Vec<String> = used.iter().flat_map(|column| self.typed[*column].unsure.clone()).collect();
        all.extend(unsure);
        let unused: Vec<String> = (0..self.columns.len())
            .filter(|column| !used.contains(column))
            .map(|column| format!("{:?}", self.columns[column].title))
            .collect();
        if !unused.is_empty() {
            all.push(format!("not read, since nothing needs them: {}", unused.join(", ")));
        }
        Shaped { columns, shape, on_overlap, unsure: all }
    }
}

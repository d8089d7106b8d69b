//! What a load has done to the target.

use postgres::identifiers::Names;
use postgres::told;
use sluice::contract::NamedKeys;
use sluice::{Error, Kind, Result};

/// How many keys and files a note names.
pub(crate) const NAMED: usize = 3;

/// How many keys are looked up for it, and stand in the object that names them.
pub(crate) const FIRST_KEYS: usize = 20;

/// How many bytes of a key stand there.
const KEY_BYTES: usize = 200;

/// Row counts of a load, and what a person should know of it.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    /// How many columns a key has.
    pub key_columns: usize,
    /// Keys that the run's files say something of.
    pub keys: u64,
    /// Keys that were new.
    pub inserted: u64,
    /// Keys whose values changed.
    pub updated: u64,
    /// Keys of which no file that counts says anything any more.
    pub deleted: u64,
    /// Keys of the run's files of which a part is, or may be, in quarantine.
    pub partial: u64,
    /// A sentence each.
    pub notes: Vec<String>,
    /// The first keys that the notes are about, and what refuses the load.
    pub named: Vec<NamedKeys>,
    /// The load is refused for some of these keys.
    pub is_refused: bool,
    /// Files that this run set aside since they repeat others.
    pub bad: u64,
    /// Those of them that are the run's own.
    pub repeated: u64,
}

impl Merged {
    /// Nothing yet, in a target whose keys have so many columns.
    pub(crate) fn new(key_columns: usize) -> Self {
        Self { key_columns, ..Self::default() }
    }

    /// Keys whose values stayed as they were.
    ///
    /// # Errors
    /// `InvariantBroken` if more were written than there are.
    pub(crate) fn unchanged(&self) -> Result<u64> {
        let Self { keys, inserted, updated, .. } = self;
        keys.checked_sub(inserted + updated).ok_or_else(|| {
            let what = format!("{keys} keys staged, but {inserted} inserted and {updated} updated");
            Error::new(Kind::InvariantBroken, what)
        })
    }

    /// Counts the keys that went, and says so; `or` has another reason for it.
    pub(crate) fn went(&mut self, keys: &Keys, or: &str) {
        self.deleted += keys.count;
        if keys.count > 0 {
            let (counted, told) = (keys.counted(), keys.told(self.key_columns));
            let note = format!("{counted} went, since no file that counts has them any more{or}{told}");
            self.note(note, &keys.first);
        }
    }

    /// Says which keys have a smaller value than before.
    pub(crate) fn got_smaller(&mut self, keys: &Keys) {
        if keys.count > 0 {
            let note = format!("{} got smaller, by what files say now{}", keys.counted(), keys.told(self.key_columns));
            self.note(note, &keys.first);
        }
    }

    /// Counts the keys that are not whole, and says so.
    pub(crate) fn are_partial(&mut self, keys: &Keys) {
        self.partial = keys.count;
        if keys.count > 0 {
            let note = format!(
                "{} may lack rows that are in quarantine; a whole value that was there before is kept{}",
                keys.counted(),
                keys.told(self.key_columns)
            );
            self.note(note, &keys.first);
        }
    }

    /// Adds a note, with the first keys that it is about.
    pub(crate) fn note(&mut self, note: String, keys: &[String]) {
        self.name(&note, keys);
        self.notes.push(note);
    }

    /// Keeps the first keys for which the load is refused, and why.
    pub(crate) fn refuse(&mut self, why: &str, keys: &[String]) {
        self.name(why, keys);
        self.is_refused = true;
    }

    fn name(&mut self, note: &str, keys: &[String]) {
        if !keys.is_empty() {
            let keys = keys.iter().take(FIRST_KEYS).map(|key| shortened(key)).collect();
            self.named.push(NamedKeys { note: note.to_owned(), keys });
        }
    }

    /// Whether keys are to be named in an object of their own: not all of them are dates, which stand in the notes.
    pub(crate) fn has_untold_keys(&self) -> bool {
        let mut keys = self.named.iter().flat_map(|named| &named.keys);
        keys.any(|key| told::of_key(key, self.key_columns).as_ref() != Some(key))
    }
}

/// The beginning of a key.
fn shortened(key: &str) -> String {
    if key.len() <= KEY_BYTES {
        return key.to_owned();
    }
    let ends = key.char_indices().map(|(place, _)| place).take_while(|place| *place <= KEY_BYTES - "...".len());
    format!("{}...", &key[..ends.last().unwrap_or_default()])
}

/// Some keys of the target, of which the first ones are told if they are dates: others are values of rows, such as
/// names of people, which stand in the tables and under `quarantine/` only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    /// How many they are.
    pub count: u64,
    /// The first [`FIRST_KEYS`] of them, as PostgreSQL shows them.
    pub first: Vec<String>,
}

impl Keys {
    /// From what [`select_keys`] gives.
    pub(crate) fn new((count, first): (i64, Vec<String>)) -> Self {
        Self { count: count.unsigned_abs(), first }
    }

    /// `1 key`, `2 keys`.
    pub(crate) fn counted(&self) -> String {
        match self.count {
            1 => "1 key".to_owned(),
            count => format!("{count} keys"),
        }
    }

    /// The verb for it.
    pub(crate) fn were(&self) -> &'static str {
        if self.count == 1 { "was" } else { "were" }
    }

    /// `: 2024-01-01, 2024-01-02, ...`, to stand behind what is said of them; nothing of keys that may not be told.
    /// They have so many columns.
    pub(crate) fn told(&self, columns: usize) -> String {
        told(&self.first, usize::try_from(self.count).unwrap_or(usize::MAX), columns)
    }
}

/// As [`Keys::told`], of the first ones of `count` keys: [`NAMED`] of them.
pub(crate) fn told(first: &[String], count: usize, columns: usize) -> String {
    let mut dates: Vec<String> = first.iter().take(NAMED).filter_map(|key| told::of_key(key, columns)).collect();
    dates.dedup();
    if dates.is_empty() { String::new() } else { format!(": {}", named(&dates, count)) }
}

/// The first ones of `count`, with commas between.
pub(crate) fn named(first: &[String], count: usize) -> String {
    let more = if first.len() < count { ", ..." } else { "" };
    format!("{}{more}", first.join(", "))
}

/// What counts and names the rows of a query `found`, whose columns are the keys.
pub(crate) fn select_keys(names: &Names) -> String {
    let (shown, keys) = (names.shown("found"), names.keys_of("found"));
    format!("select count(*), array(select {shown} from found order by {keys} limit {FIRST_KEYS}) from found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_first_keys_dates_are_told_and_other_values_are_not() {
        let first = vec!["2024-01-01".to_owned(), "2024-01-02".to_owned()];
        let mut merged = Merged::new(1);
        merged.went(&Keys::default(), "");
        merged.got_smaller(&Keys::default());
        assert!(merged.notes.is_empty());
        merged.went(&Keys { count: 2, first: first.clone() }, "");
        merged.are_partial(&Keys { count: 3, first });
        assert!(
            merged.notes[0].starts_with("2 keys went") && merged.notes[0].ends_with(": 2024-01-01, 2024-01-02"),
            "{:?}",
            merged.notes
        );
        assert!(merged.notes[1].ends_with(": 2024-01-01, 2024-01-02, ..."), "{:?}", merged.notes);
        let mut merged = Merged::new(1);
        let keys = Keys { count: 2, first: vec!["ann@example.org".to_owned(), "4711, 2024-01-01".to_owned()] };
        merged.went(&keys, "");
        merged.got_smaller(&keys);
        merged.are_partial(&keys);
        assert_eq!(merged.notes.len(), 3);
        assert!(merged.notes.iter().all(|note| note.starts_with("2 keys ") && !note.contains("ann")), "{merged:?}");
        assert_eq!(merged.notes[1], "2 keys got smaller, by what files say now");
    }

    #[test]
    fn keys_that_are_no_dates_are_to_be_named_elsewhere_and_not_at_length() {
        let mut merged = Merged::new(1);
        merged.note("a".to_owned(), &["2024-01-01".to_owned()]);
        merged.note("b".to_owned(), &[]);
        assert!(!merged.has_untold_keys() && merged.named.len() == 1);
        let long = "\u{e9}".repeat(101);
        let keys: Vec<String> = std::iter::repeat_n(long, 21).collect();
        merged.note("c".to_owned(), &keys);
        assert!(merged.has_untold_keys());
        let NamedKeys { note, keys } = &merged.named[1];
        assert_eq!((note.as_str(), keys.len()), ("c", 20));
        assert!(keys.iter().all(|key| *key == format!("{}...", "\u{e9}".repeat(98))), "{keys:?}");
        assert_eq!(shortened(&"k".repeat(200)), "k".repeat(200));
        let mut merged = Merged::new(2);
        merged.refuse("d", &["2024-01-01, ann".to_owned()]);
        assert!(merged.has_untold_keys() && merged.is_refused && merged.notes.is_empty());
    }
}

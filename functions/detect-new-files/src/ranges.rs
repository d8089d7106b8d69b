//! How a long listing is read in many places at once: as ranges of keys, cut where there may be keys on both sides.
//! Pure.
//!
//! S3 lists keys in the order of their bytes, and begins after any text that it is given, be there such a key or not.
//! Each range ends with the text that the next one begins after. So every key lies in exactly one of them, wherever the
//! cuts are; and keys that come in another order are an error.
//!
//! Where to cut is a guess, and each cut costs up to one call, for a page that goes beyond the end of its range. It is
//! made from the spelling of the keys just listed: a later digit or letter at a position where one is. Folders are
//! spelling too. So there is no need for a delimiter, and one folder with a million files is cut like a thousand
//! folders.
//!
//! # Example
//! ```text
//! in/2024-01-01-a.csv   the first key of the page
//! in/2024-01-09-f.csv   the last one: after "in/", the page's keys differ up to the second digit of the day
//! in/6                  a cut at the first position: 2 there, and the middle one of the digits after it
//! in/2027               a cut at the middle one of the seven positions that have a later digit: the 4 of the year
//! ```
//! The rest of the range is then listed as two: what comes after the last key up to the cut, and what comes after the
//! cut.

use crate::selection::Listed;
use sluice::{Error, Kind, Result};

/// How many pages are asked for at the same time, each of about 1 MB while it is taken apart. More of them would wait
/// for the function's share of a processor.
pub(crate) const PARALLEL: usize = 8;

/// How many pages come before the first cut: most listings are over by then.
const UNCUT_PAGES: usize = 8;

/// How many whole pages there are to a cut, at least.
const PAGES_PER_CUT: usize = 4;

/// A contiguous range of keys, and how far it is listed.
#[derive(Debug)]
pub(crate) struct KeyRange {
    /// They come after this text; without it the first one is the listing's first.
    pub after: Option<String>,
    /// Where S3 goes on, once a page of them is there.
    pub token: Option<String>,
    /// The last one that has come.
    last: Option<String>,
    /// They come before this text, or are equal to it; without it the last one is the listing's last.
    end: Option<String>,
}

/// What S3 answers.
#[derive(Debug)]
pub(crate) struct Page {
    /// In the order of their keys.
    pub objects: Vec<Listed>,
    /// Where it goes on, if it does.
    pub token: Option<String>,
}

/// Cuts the ranges of one listing.
#[derive(Debug)]
pub(crate) struct Ranges {
    /// All keys share that many bytes.
    prefix_length: usize,
    guess_count: usize,
    page_count: usize,
    cut_count: usize,
}

impl Ranges {
    /// The ranges of what is listed under `prefix`.
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix_length: prefix.len(), guess_count: 0, page_count: 0, cut_count: 0 }
    }

    /// The range that holds everything.
    pub(crate) fn whole() -> KeyRange {
        KeyRange { after: None, token: None, last: None, end: None }
    }

    /// What is to be listed next, now that `page` of `range` is there and `others` are under way: nothing, its rest, or
    /// its rest in two. Leaves on the page what lies in the range.
    ///
    /// There is a cut at most for every fourth page that lies in its range as a whole, and a range has one page at most
    /// that does not. So a listing takes at most five calls where it takes four page by page.
    ///
    /// # Errors
    /// `Misconfigured` if keys do not come in order, or the listing begins anew. Directory buckets would do so.
    pub(crate) fn next(&mut self, range: KeyRange, page: &mut Page, others: usize) -> Result<Vec<KeyRange>> {
        let mut before = range.last.as_deref().or(range.after.as_deref());
        for object in &page.objects {
            if before.is_some_and(|before| object.key.as_str() <= before) {
                let what = format!(
                    "the listing is not in order, as that of a directory bucket: {} comes after {}",
                    object.key,
                    before.unwrap_or_default()
                );
                return Err(Error::new(Kind::Misconfigured, what));
            }
            before = Some(&object.key);
        }
        if page.token.is_some() && page.token == range.token {
            return Err(Error::new(Kind::Misconfigured, "the listing begins anew; is it of a directory bucket?"));
        }
        let last = before.map(ToOwned::to_owned);
        let listed = page.objects.len();
        page.objects.retain(|object| range.end.as_ref().is_none_or(|end| object.key <= *end));
        let is_at_its_end = page.objects.len() < listed;
        let Some(token) = page.token.take().filter(|_| !is_at_its_end) else { return Ok(Vec::new()) };
        let mut rest = KeyRange { token: Some(token), last, ..range };
        self.page_count += 1;
        let may_cut = self.page_count > UNCUT_PAGES && self.cut_count * PAGES_PER_CUT < self.page_count;
        // The rest is under way again at once, so there must be room for two.
        let cut = if may_cut && others + 1 < PARALLEL { self.cut(&page.objects, rest.end.as_deref()) } else { None };
        let Some(cut) = cut else { return Ok(vec![rest]) };
        self.cut_count += 1;
        let end = rest.end.replace(cut.clone());
        Ok(vec![rest, KeyRange { after: Some(cut), token: None, last: None, end }])
    }

    /// A text after the last one of these keys and before `end`, if there is a likely one; see the module's example.
    ///
    /// It differs from the last key at one position: not before the one at which that differs from `end`, and not
    /// beyond the one at which the keys of the page differ, since what varies there fits on a page. The first and the
    /// middle one of these positions take turns: the first cuts best where all of them vary, the middle one finds
    /// quickly which do, as in a chain of folders.
    fn cut(&mut self, objects: &[Listed], end: Option<&str>) -> Option<String> {
        let (first, last) = (&objects.first()?.key, &objects.last()?.key);
        let differs = end.map_or(self.prefix_length, |end| shared(last, end));
        let bound = end.and_then(|end| end.as_bytes().get(differs).copied());
        let places: Vec<(usize, u8)> = (differs..=differs.max(shared(first, last)))
            .filter_map(|place| {
                let bound = bound.filter(|_| place == differs);
                Some((place, middle(*last.as_bytes().get(place)?, bound)?))
            })
            .collect();
        self.guess_count += 1;
        let (place, letter) = *places.get(if self.guess_count % 2 == 1 { 0 } else { places.len() / 2 })?;
        // ASCII stands at this place, so what is before it is whole characters.
        Some(format!("{}{}", &last[..place], char::from(letter)))
    }
}

/// How many bytes two keys begin with alike.
fn shared(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}

/// The middle one of the digits or letters that come after this one, and before `bound`. What parts names is the same
/// in all of them, as a rule, so it is no place to cut.
fn middle(byte: u8, bound: Option<u8>) -> Option<u8> {
    let last = match byte {
        b'0'..=b'9' => b'9',
        b'A'..=b'Z' => b'Z',
        b'a'..=b'z' => b'z',
        _ => return None,
    };
    let last = bound.map_or(last, |bound| last.min(bound.saturating_sub(1)));
    (byte < last).then(|| byte + (last - byte).div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::primitives::DateTime;
    use std::collections::{BTreeSet, VecDeque};
    use std::ops::Bound;

    const PREFIX: &str = "input_data/";

    /// What became of a listing.
    #[derive(Debug, Default)]
    struct Told {
        keys: Vec<String>,
        calls: usize,
        /// How many calls followed one another, if each takes the same time.
        rounds: usize,
    }

    fn object(key: &str) -> Listed {
        Listed { key: key.to_owned(), etag: String::new(), size: 0, modified: DateTime::from_secs(0) }
    }

    /// A bucket's answer.
    fn answer(bucket: &BTreeSet<String>, prefix: &str, range: &KeyRange, most: usize) -> Page {
        let start = match range.token.as_deref().or(range.after.as_deref()) {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        let keys = bucket.range::<str, _>((start, Bound::Unbounded));
        let mut keys = keys.take_while(|key| key.starts_with(prefix)).peekable();
        let objects: Vec<Listed> = keys.by_ref().take(most).map(|key| object(key)).collect();
        let token = keys.peek().and_then(|_| objects.last()).map(|object| object.key.clone());
        Page { objects, token }
    }

    /// Lists a bucket, in which something happens `meanwhile`, in pages of at most `most` keys.
    fn list(
        bucket: &mut BTreeSet<String>,
        prefix: &str,
        most: usize,
        mut meanwhile: impl FnMut(&mut BTreeSet<String>),
    ) -> Told {
        let mut told = Told::default();
        let mut ranges = Ranges::new(prefix);
        let mut under_way = VecDeque::from([(1, Ranges::whole())]);
        while let Some((round, range)) = under_way.pop_front() {
            let mut page = answer(bucket, prefix, &range, most);
            meanwhile(bucket);
            for next in ranges.next(range, &mut page, under_way.len()).unwrap() {
                under_way.push_back((round + 1, next));
            }
            assert!(under_way.len() <= PARALLEL);
            (told.calls, told.rounds) = (told.calls + 1, round);
            told.keys.extend(page.objects.into_iter().map(|object| object.key));
        }
        told
    }

    /// Lists 20,000 keys in a thousand pages; returns how many rounds that took.
    fn rounds(name: &str, prefix: &str, key: impl Fn(u64) -> String) -> usize {
        let mut bucket: BTreeSet<String> = (0..20_000).map(key).collect();
        // Neighbours that are not to be listed.
        bucket.extend(["input_dat", "input_data0", "input", "z"].map(ToOwned::to_owned));
        let expected: Vec<String> = bucket.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
        let mut told = list(&mut bucket, prefix, 20, |_| {});
        told.keys.sort();
        assert!(told.keys == expected, "{name}: {} keys of {}, each once", told.keys.len(), expected.len());
        let pages = expected.len().div_ceil(20);
        assert!(told.calls * 4 <= pages * 5 + 4, "{name}: {} calls for {pages} pages", told.calls);
        told.rounds
    }

    #[test]
    fn keys_of_any_spelling_are_listed_in_many_places_at_once() {
        let chain = "one/folder/in/another/".repeat(9);
        let spellings: [(&str, &dyn Fn(u64) -> String); 12] = [
            ("one folder", &|n| format!("{PREFIX}{n:06}.csv")),
            ("numbers of any length", &|n| format!("{PREFIX}file-{n}.csv")),
            ("hashes", &|n| format!("{PREFIX}{:016x}.csv", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
            ("100 folders", &|n| format!("{PREFIX}{:02}/{n:06}.csv", n % 100)),
            ("100 folders with their markers", &|n| match n {
                0..100 => format!("{PREFIX}{n:02}/"),
                _ => format!("{PREFIX}{:02}/{n:06}.csv", n % 100),
            }),
            ("year, month, day", &|n| {
                format!("{PREFIX}{}/{:02}/{:02}/{n:06}.csv", 2020 + n % 5, 1 + n / 5 % 12, 1 + n / 60 % 28)
            }),
            ("partitions", &|n| {
                format!(
                    "{PREFIX}year={}/month={:02}/day={:02}/part-{n:06}.csv",
                    2020 + n % 5,
                    1 + n / 5 % 12,
                    1 + n / 60 % 28
                )
            }),
            ("one deep chain of folders", &|n| format!("{PREFIX}{chain}{n:06}.csv")),
            ("a chain with files at each level", &|n| {
                let depth = usize::try_from(n % 9).unwrap() * "one/folder/in/another/".len();
                format!("{PREFIX}{}{n:06}.csv", &chain[..depth])
            }),
            ("long names that begin alike", &|n| {
                format!("{PREFIX}export_of_the_production_database_orders_{n:07}.csv")
            }),
            ("one folder is much larger than the others", &|n| match n {
                0..100 => format!("{PREFIX}{n:02}/x.csv"),
                _ => format!("{PREFIX}50/x{n:06}.csv"),
            }),
            ("letters beyond ASCII", &|n| format!("{PREFIX}données/été {n:06} 😀.csv")),
        ];
        for (name, key) in spellings {
            for prefix in [PREFIX, "input_data", ""] {
                let rounds = rounds(name, prefix, key);
                assert!(rounds <= 260, "{name}: {rounds} rounds; 125 are the fewest that there can be");
            }
        }
    }

    #[test]
    fn keys_without_letters_or_digits_are_listed_page_by_page() {
        let key = |n: u64| (0..17).map(|bit| if (n >> (16 - bit)) & 1 == 0 { 'é' } else { '😀' }).collect::<String>();
        assert_eq!(rounds("no ASCII", PREFIX, |n| format!("{PREFIX}{}", key(n))), 1_000);
    }

    #[test]
    fn a_short_listing_takes_the_calls_that_it_needs() {
        for (count, calls) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (2_000, 2), (8_000, 8)] {
            let mut bucket = (0..count).map(|n| format!("{PREFIX}{n:06}.csv")).collect();
            let told = list(&mut bucket, PREFIX, 1_000, |_| {});
            assert_eq!((told.keys.len(), told.calls), (count, calls));
        }
    }

    #[test]
    fn a_listing_that_is_not_in_order_is_refused() {
        let page = |keys: &[&str], token: &str| Page {
            objects: keys.iter().map(|key| object(key)).collect(),
            token: Some(token.to_owned()),
        };
        let range = |after: Option<&str>, last: Option<&str>, token: Option<&str>| {
            let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
            KeyRange { after: owned(after), token: owned(token), last: owned(last), end: None }
        };
        for (range, mut page, is_right) in [
            (range(None, None, None), page(&["a", "b"], "t"), true),
            (range(None, None, None), page(&["b", "a"], "t"), false),
            (range(None, None, None), page(&["a", "a"], "t"), false),
            (range(Some("b"), None, None), page(&["a"], "t"), false),
            (range(Some("a"), Some("c"), Some("t")), page(&["b"], "u"), false),
            (range(Some("a"), Some("c"), Some("t")), page(&["d"], "t"), false),
            (range(Some("a"), Some("c"), Some("t")), page(&[], "u"), true),
        ] {
            assert_eq!(Ranges::new("").next(range, &mut page, 0).is_ok(), is_right, "{page:?}");
        }
    }

    /// The next random number below `end`, by xorshift.
    fn random(state: &mut u64, end: usize) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        usize::try_from(*state % u64::try_from(end).unwrap()).unwrap()
    }

    #[test]
    fn what_is_there_all_the_time_is_listed_once_whatever_comes_and_goes() {
        const LETTERS: [&str; 10] = ["/", "0", "1", "8", "9", "A", "a", "z", "~", "é"];
        for seed in 1..2_000 {
            let state = &mut (seed * 0x9E37_79B9);
            let mut some_keys = |count: usize| -> BTreeSet<String> {
                let key =
                    |_| -> String { (0..=random(state, 6)).map(|_| LETTERS[random(state, LETTERS.len())]).collect() };
                (0..count).map(key).collect()
            };
            let (stays, comes_and_goes) = (some_keys(120), Vec::from_iter(some_keys(60)));
            let prefix = LETTERS[random(state, LETTERS.len())];
            let prefix = if seed % 3 == 0 { prefix } else { "" };
            let most = 1 + random(state, 7);
            let mut bucket = stays.clone();
            let told = list(&mut bucket, prefix, most, |bucket| {
                let key = &comes_and_goes[random(state, comes_and_goes.len())];
                if !stays.contains(key) && !bucket.remove(key) {
                    bucket.insert(key.clone());
                }
            });
            let once: BTreeSet<&String> = told.keys.iter().collect();
            assert_eq!(once.len(), told.keys.len(), "seed {seed}: each at most once");
            assert!(told.keys.iter().all(|key| key.starts_with(prefix)), "seed {seed}");
            let missed: Vec<&String> =
                stays.iter().filter(|key| key.starts_with(prefix) && !once.contains(key)).collect();
            assert!(missed.is_empty(), "seed {seed}: {missed:?}");
        }
    }

    #[test]
    fn the_example_is_true() {
        let mut ranges = Ranges::new("in/");
        let page = ["in/2024-01-01-a.csv", "in/2024-01-09-f.csv"].map(object);
        assert_eq!([1, 2].map(|_| ranges.cut(&page, None).unwrap()), ["in/6", "in/2027"]);
    }

    #[test]
    fn a_cut_lies_between_the_last_key_and_the_end() {
        for (first, last, end, expected) in [
            ("p/000", "p/099", None, Some("p/5")),
            ("p/000", "p/099", Some("p/5"), Some("p/2")),
            ("p/000", "p/099", Some("p/1"), None),
            ("p/0000", "p/0099", Some("p/1"), Some("p/05")),
            ("p/a", "p/z", None, None),
            ("p/a", "p/b", Some("p/b/c"), None),
            ("p/b", "p/b", Some("p/b"), None),
            ("p/", "p/", None, None),
            ("p/-1", "p/-2", None, Some("p/-6")),
            ("p/é0", "p/é1", Some("p/ê"), Some("p/é5")),
        ] {
            let cut = Ranges::new("p/").cut(&[object(first), object(last)], end);
            assert_eq!(cut.as_deref(), expected, "{first} {last} {end:?}");
            assert!(cut.is_none_or(|cut| *last < *cut && end.is_none_or(|end| *cut < *end)));
        }
    }
}

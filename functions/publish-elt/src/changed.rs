//! Which files of a source have changed since the run listed them. Both listings may be long, so they are held against
//! each other in their order, a page at a time.

use lake::Pages;
use sluice::contract::athena_elt::{SeenFile, SourceState};
use sluice::contract::{Execution, keys};
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// How many files are named, of each kind.
const NAMED: usize = 3;

/// The files below `prefix` that are otherwise now than the run saw them `before`, as the source of this name.
///
/// # Errors
/// As [`Pages::next`]; `Misconfigured` if what the run has listed is gone.
pub(crate) async fn what_changed(
    store: &Store,
    execution: &Execution,
    (name, before): (&str, &SourceState),
    prefix: &str,
) -> Result<String> {
    let mut lists = (0..before.lists).map(|list| keys::source_files(execution, &before.listed_by, name, list));
    let mut pages = Pages::new(store, prefix);
    let (mut then, mut now, mut changes) = (VecDeque::new(), VecDeque::new(), Changes::default());
    loop {
        while then.is_empty()
            && let Some(key) = lists.next()
        {
            let list = store.read_latest_json::<Vec<SeenFile>>(&key).await?;
            let gone = || Error::new(Kind::Misconfigured, format!("somebody deleted {key} during the run"));
            then.extend(list.ok_or_else(gone)?.document);
        }
        while now.is_empty()
            && let Some(page) = pages.next().await?
        {
            now.extend(lake::seen(&page, prefix));
        }
        if !changes.take(&mut then, &mut now) {
            return Ok(changes.told(prefix));
        }
    }
}

/// Names of files, the first ones and how many there are.
#[derive(Debug, Default)]
struct Names {
    first: Vec<String>,
    count: usize,
}

impl Names {
    fn add(&mut self, name: String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(name);
        }
    }
}

/// What differs between two listings.
#[derive(Debug, Default)]
struct Changes {
    changed: Names,
    new: Names,
    gone: Names,
}

impl Changes {
    /// Takes the next file from the listings that begin with it; an empty one is over. `false` once both are.
    fn take(&mut self, then: &mut VecDeque<SeenFile>, now: &mut VecDeque<SeenFile>) -> bool {
        let order = match (then.front(), now.front()) {
            (None, None) => return false,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((one, _)), Some((other, _))) => one.cmp(other),
        };
        let before = if order.is_le() { then.pop_front() } else { None };
        let after = if order.is_ge() { now.pop_front() } else { None };
        match (before, after) {
            (Some((_, was)), Some((name, is))) if was != is => self.changed.add(name),
            (Some((name, _)), None) => self.gone.add(name),
            (None, Some((name, _))) => self.new.add(name),
            _ => {}
        }
        true
    }

    fn told(self, prefix: &str) -> String {
        let Self { changed, new, gone } = self;
        let told =
            [("changed", changed), ("new", new), ("gone", gone)].into_iter().filter(|(_, names)| names.count > 0);
        let told = told.map(|(word, Names { first, count })| {
            let more = count - first.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let keys: Vec<String> = first.iter().map(|name| format!("{prefix}{name}")).collect();
            format!("{word}: {}{more}", keys.join(", "))
        });
        let told = told.collect::<Vec<_>>().join("; ");
        if told.is_empty() { "one came, and went just now".to_owned() } else { told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of two listings, of each of which so many files are there at a time.
    fn told(then: &[(&str, u8)], now: &[(&str, u8)], page: usize) -> String {
        let list = |files: &[(&str, u8)]| {
            files.iter().map(|(name, state)| ((*name).to_owned(), state.to_string())).collect::<Vec<SeenFile>>()
        };
        let (then, now) = (list(then), list(now));
        let (mut lists, mut pages) = (then.chunks(page), now.chunks(page + 1));
        let (mut then, mut now, mut changes) = (VecDeque::new(), VecDeque::new(), Changes::default());
        loop {
            if then.is_empty() {
                then.extend(lists.next().unwrap_or_default().iter().cloned());
            }
            if now.is_empty() {
                now.extend(pages.next().unwrap_or_default().iter().cloned());
            }
            if !changes.take(&mut then, &mut now) {
                return changes.told("in/");
            }
        }
    }

    #[test]
    fn each_file_is_named_wherever_a_page_ends() {
        let before = [("a", 1), ("b", 1), ("c", 1)];
        for page in 1..4 {
            assert_eq!(told(&before, &[("a", 1), ("b", 2), ("c", 1)], page), "changed: in/b");
            assert_eq!(told(&before, &[("a", 1), ("c", 1)], page), "gone: in/b");
            assert_eq!(told(&before, &[("a", 1), ("b", 1), ("c", 1), ("d", 1)], page), "new: in/d");
            let all_kinds = told(&before, &[("a", 1), ("aa", 0), ("c", 3)], page);
            assert_eq!(all_kinds, "changed: in/c; new: in/aa; gone: in/b");
            let all = [("d", 0), ("e", 0), ("f", 0), ("g", 0)];
            assert_eq!(told(&before, &all, page), "new: in/d, in/e, in/f and 1 more; gone: in/a, in/b, in/c");
            assert_eq!(told(&before, &[], page), "gone: in/a, in/b, in/c");
            assert_eq!(told(&before, &before, page), "one came, and went just now");
        }
    }
}

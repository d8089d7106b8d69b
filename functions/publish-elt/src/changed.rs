//! What is known of files of a source that have changed since the run listed them. Pure.

use lake::Listed;
use sluice::contract::athena_elt::SourceState;
use sluice::time::format_time;
use std::collections::BTreeMap;

/// How many files are named, of each kind.
const NAMED: usize = 3;

/// The files that a listing has otherwise than the run saw them; where these were too many to be kept, how many there
/// are, and the newest one.
pub(crate) fn what_changed(before: &SourceState, listed: &[Listed], prefix: &str) -> String {
    if before.seen.is_empty() { newest(before.files, listed, prefix) } else { each(&before.seen, listed, prefix) }
}

fn each(seen: &BTreeMap<String, String>, listed: &[Listed], prefix: &str) -> String {
    let mut gone = seen.clone();
    let (mut changed, mut new) = (Vec::new(), Vec::new());
    for object in listed {
        match gone.remove(object.key.strip_prefix(prefix).unwrap_or(&object.key)) {
            None => new.push(object.key.clone()),
            Some(state) if state != lake::state_digits(object) => changed.push(object.key.clone()),
            Some(_) => {}
        }
    }
    let gone: Vec<String> = gone.into_keys().map(|name| format!("{prefix}{name}")).collect();
    let told = [("changed", changed), ("new", new), ("gone", gone)].into_iter().filter(|(_, keys)| !keys.is_empty());
    let told = told.map(|(word, keys)| {
        let more = keys.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{word}: {}{more}", keys[..keys.len().min(NAMED)].join(", "))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Of which there were `files` when the run looked into them: how many there are now, and the newest one by its date.
/// More is not known: what was replaced has its new date only, what was deleted has none, and what was uploaded in
/// parts has the date at which its upload began, also if that is long ago.
fn newest(files: u64, listed: &[Listed], prefix: &str) -> String {
    let now = listed.iter().filter(|object| !lake::is_hidden(object, prefix)).count();
    let newest = listed.iter().max_by_key(|object| object.modified.as_nanos());
    let newest = newest.map_or_else(String::new, |newest| {
        format!("; the newest by its date is {}, of {}", newest.key, format_time(newest.modified))
    });
    format!("there were {files} of them when it looked, and now there are {now}{newest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::primitives::DateTime;

    fn listed(objects: &[(&str, i64)]) -> Vec<Listed> {
        let listed = |(key, at): &(&str, i64)| Listed {
            key: (*key).to_owned(),
            etag: "e".to_owned(),
            size: 1,
            modified: DateTime::from_secs(*at),
            class: String::new(),
        };
        objects.iter().map(listed).collect()
    }

    #[test]
    fn where_they_are_many_how_many_there_are_is_told_and_the_newest_one() {
        let told = |files, objects| newest(files, &listed(objects), "in/");
        let newest_is_b = "; the newest by its date is in/b, of 1970-01-01T00:01:40.000Z";
        let counts = |then: u64, now: u64| format!("there were {then} of them when it looked, and now there are {now}");
        assert_eq!(told(1, &[("in/a", 50), ("in/b", 100)]), counts(1, 2) + newest_is_b);
        assert_eq!(told(2, &[("in/a", 50), ("in/b", 100)]), counts(2, 2) + newest_is_b, "replaced, whichever it was");
        assert_eq!(told(2, &[("in/b", 100), ("in/_SUCCESS", 7)]), counts(2, 1) + newest_is_b, "a hidden one is none");
        assert_eq!(told(2, &[]), counts(2, 0));
    }

    #[test]
    fn where_they_are_few_each_is_named() {
        let seen = lake::seen(&listed(&[("in/a", 1), ("in/b", 1), ("in/c", 1)]), "in/", 100);
        let told = |objects| each(&seen, &listed(objects), "in/");
        assert_eq!(told(&[("in/a", 1), ("in/b", 2), ("in/c", 1)]), "changed: in/b");
        assert_eq!(told(&[("in/a", 1), ("in/c", 1)]), "gone: in/b");
        assert_eq!(told(&[("in/a", 1), ("in/aa", 0), ("in/c", 3)]), "changed: in/c; new: in/aa; gone: in/b");
        let all = [("in/d", 0), ("in/e", 0), ("in/f", 0), ("in/g", 0)];
        assert_eq!(told(&all), "new: in/d, in/e, in/f and 1 more; gone: in/a, in/b, in/c");
    }
}

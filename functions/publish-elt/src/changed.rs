//! What is known of files of a source that have changed since the run listed them. Pure: a fingerprint says only that
//! something has.

use lake::Listed;
use sluice::time::format_time;

/// What a listing shows of the files of a source, of which there were `files` when the run looked into them: how many
/// there are now, and the newest one by its date. More is not known: what was replaced has its new date only, what was
/// deleted has none, and what was uploaded in parts has the date at which its upload began, also if that is long ago.
pub(crate) fn what_changed(files: u64, listed: &[Listed], prefix: &str) -> String {
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

    fn told(files: u64, objects: &[(&str, i64)]) -> String {
        let listed = |(key, at): &(&str, i64)| Listed {
            key: (*key).to_owned(),
            etag: "e".to_owned(),
            size: 1,
            modified: DateTime::from_secs(*at),
            class: String::new(),
        };
        let listed: Vec<Listed> = objects.iter().map(listed).collect();
        what_changed(files, &listed, "in/")
    }

    #[test]
    fn how_many_there_are_is_told_and_the_newest_one() {
        let newest_is_b = "; the newest by its date is in/b, of 1970-01-01T00:01:40.000Z";
        let counts = |then: u64, now: u64| format!("there were {then} of them when it looked, and now there are {now}");
        assert_eq!(told(1, &[("in/a", 50), ("in/b", 100)]), counts(1, 2) + newest_is_b);
        assert_eq!(told(2, &[("in/a", 50), ("in/b", 100)]), counts(2, 2) + newest_is_b, "replaced, whichever it was");
        assert_eq!(told(2, &[("in/b", 100), ("in/_SUCCESS", 7)]), counts(2, 1) + newest_is_b, "a hidden one is none");
        assert_eq!(told(2, &[]), counts(2, 0));
    }
}

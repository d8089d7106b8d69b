//! Which file of a source has changed since the run listed it. Pure: a fingerprint says only that one has.

use aws_sdk_s3::primitives::DateTime;
use lake::Listed;

/// What has become of the files of a source, of which there were `files` when the run began: names the newest one that
/// was written since then, `began`, or says that one is gone.
pub(crate) fn what_changed(files: u64, began: DateTime, listed: &[Listed], prefix: &str) -> String {
    let now = listed.iter().filter(|object| !lake::is_hidden(object, prefix)).count() as u64;
    // A listing has whole seconds.
    let written = listed.iter().filter(|object| object.modified.secs() >= began.secs());
    match written.max_by_key(|object| object.modified.as_nanos()) {
        Some(newest) if now >= files => format!("{} was written after the run began", newest.key),
        _ => "one was deleted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(files: u64, objects: &[(&str, i64)]) -> String {
        let listed = |(key, at): &(&str, i64)| Listed {
            key: (*key).to_owned(),
            etag: "e".to_owned(),
            size: 1,
            modified: DateTime::from_secs(*at),
        };
        let listed: Vec<Listed> = objects.iter().map(listed).collect();
        what_changed(files, DateTime::from_secs_and_nanos(100, 500_000_000), &listed, "in/")
    }

    #[test]
    fn the_newest_file_is_named_or_one_is_gone() {
        assert_eq!(told(1, &[("in/a", 50), ("in/b", 100)]), "in/b was written after the run began");
        assert_eq!(told(2, &[("in/a", 200), ("in/b", 101)]), "in/a was written after the run began");
        assert_eq!(told(1, &[("in/a", 50), ("in/_SUCCESS", 101)]), "in/_SUCCESS was written after the run began");
        assert_eq!(told(2, &[("in/a", 50)]), "one was deleted");
        assert_eq!(told(2, &[("in/a", 101)]), "one was deleted", "it came right before the run began");
        assert_eq!(told(1, &[("in/a", 50)]), "one was deleted", "a hidden one");
    }
}

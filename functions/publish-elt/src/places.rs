//! Where versions of a table may lie, by the exact form of their prefix: what is deleted is never a folder that
//! something else could lie below. Pure.

/// Where the versions of a table may lie.
#[derive(Debug)]
pub(crate) struct Places {
    bucket: String,
    /// The job's own folder for the table.
    own: String,
    /// That of a workgroup which decides itself where results go.
    workgroup: Option<String>,
}

/// What lies in the table's own folder.
#[derive(Debug, PartialEq)]
pub(crate) struct Left<'a> {
    /// The id of the query that left it.
    pub(crate) query_id: &'a str,
}

impl Places {
    pub(crate) fn new(bucket: &str, own: String, workgroup: Option<String>) -> Self {
        Self { bucket: bucket.to_owned(), own, workgroup }
    }

    /// Where the job's queries put the version of this id, but for a workgroup that decides it itself.
    pub(crate) fn location(&self, query_id: &str) -> String {
        format!("s3://{}/{}tables/{query_id}/", self.bucket, self.own)
    }

    /// The job's own folder for the table.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// The prefix of a version at this location, which has the form `<folder>tables/<id of a query>/`; `None` for any
    /// other.
    pub(crate) fn version(&self, location: &str) -> Option<String> {
        let key = key(&self.bucket, location)?;
        let folder = [Some(&self.own), self.workgroup.as_ref()].into_iter().flatten();
        let id = folder.filter_map(|folder| key.strip_prefix(folder.as_str())?.strip_prefix("tables/")).next()?;
        let id = id.strip_suffix('/').unwrap_or(id);
        is_query_id(id).then(|| format!("{}/", key.trim_end_matches('/')))
    }

    /// What an object in the table's own folder is of; `None` if no query has left it there.
    pub(crate) fn left<'a>(&self, key: &'a str) -> Option<Left<'a>> {
        let below = key.strip_prefix(&self.own)?;
        let below = below.strip_prefix("tables/").unwrap_or(below);
        let (query_id, rest) = below.split_at_checked(ID_LENGTH)?;
        (is_query_id(query_id) && rest.starts_with(['/', '.', '-'])).then_some(Left { query_id })
    }
}

/// Where the files of a version are exported to below the folder of a target; `None` if it is no id of a query.
pub(crate) fn exported(folder: &str, query_id: &str) -> Option<String> {
    is_query_id(query_id).then(|| format!("{folder}{query_id}/"))
}

/// Of which version an object below the folder of a target is; `None` if of none.
pub(crate) fn exported_of<'a>(folder: &str, key: &'a str) -> Option<&'a str> {
    let (query_id, _) = key.strip_prefix(folder)?.split_once('/')?;
    is_query_id(query_id).then_some(query_id)
}

/// Whether an object below the folder of a job's results is the result of a query of some run, `<run>/<id of a
/// query>.csv`, or what belongs to one: nothing that lies deeper.
pub(crate) fn is_result(folder: &str, key: &str) -> bool {
    let result = key.strip_prefix(folder).and_then(|below| below.split_once('/')).map(|(_, result)| result);
    let parts = result.and_then(|result| result.split_at_checked(ID_LENGTH));
    parts.is_some_and(|(id, rest)| is_query_id(id) && rest.starts_with('.') && !rest.contains('/'))
}

/// The key of `s3://bucket/key` in this bucket; `None` for another one.
pub(crate) fn key<'a>(bucket: &str, location: &'a str) -> Option<&'a str> {
    location.strip_prefix("s3://")?.strip_prefix(bucket)?.strip_prefix('/')
}

/// The id of the query that made a version.
pub(crate) fn query_id(location: &str) -> &str {
    let location = location.trim_end_matches('/');
    location.rsplit_once('/').map_or(location, |(_, id)| id)
}

/// How long the id of a query is: a UUID.
const ID_LENGTH: usize = 36;

fn is_query_id(text: &str) -> bool {
    let fits = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == ID_LENGTH && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0c2f1b6e-1111-4a2b-9c3d-0123456789ab";

    fn places(workgroup: Option<&str>) -> Places {
        Places::new("b", "tables/job/t/".into(), workgroup.map(ToOwned::to_owned))
    }

    #[test]
    fn a_version_is_known_by_the_exact_form_of_its_prefix() {
        let own = places(None);
        let prefix = format!("tables/job/t/tables/{ID}/");
        for location in [format!("s3://b/{prefix}"), format!("s3://b/tables/job/t/tables/{ID}")] {
            assert_eq!(own.version(&location), Some(prefix.clone()));
            assert_eq!((query_id(&location), own.version(&own.location(ID))), (ID, Some(prefix.clone())));
        }
        for location in [
            "s3://b/tables/job/t/",
            "s3://b/tables/job/t/tables/",
            "s3://b/",
            "s3://b/tables/job/",
            "",
            &format!("s3://other/tables/job/t/tables/{ID}/"),
            &format!("s3://b/tables/job/other/tables/{ID}/"),
            &format!("s3://b/tables/job/t/tables/{ID}/more/"),
            &format!("s3://b/tables/job/t/{ID}/"),
            &format!("s3://b/lake/tables/{ID}/"),
            &format!("s3://b/tables/job/t/tables/{}/", ID.to_uppercase()),
        ] {
            assert_eq!(own.version(location), None, "{location}");
        }
        let theirs = format!("s3://b/results/tables/{ID}");
        assert_eq!(own.version(&theirs), None);
        assert_eq!(places(Some("results/")).version(&theirs), Some(format!("results/tables/{ID}/")));
    }

    #[test]
    fn exported_files_are_known_by_their_version() {
        assert_eq!(exported("exports/t/", ID), Some(format!("exports/t/{ID}/")));
        assert_eq!(exported_of("exports/t/", &format!("exports/t/{ID}/00000.parquet")), Some(ID));
        for key in [
            "exports/t/readme.txt",
            "exports/t/mine/a.parquet",
            &format!("exports/u/{ID}/a"),
            &format!("exports/t/{ID}"),
        ] {
            assert_eq!(exported_of("exports/t/", key), None, "{key}");
        }
        assert_eq!(exported("exports/t/", ""), None);
    }

    #[test]
    fn results_of_runs_are_known_by_their_form() {
        for rest in [".csv", ".csv.metadata"] {
            assert!(is_result("in/job/", &format!("in/job/run/{ID}{rest}")), "{rest}");
        }
        for key in [format!("in/job/run/tables/{ID}/0"), format!("in/job/{ID}.csv"), format!("in/other/run/{ID}.csv")] {
            assert!(!is_result("in/job/", &key), "{key}");
        }
    }

    #[test]
    fn what_queries_leave_is_known_by_their_ids() {
        for rest in ["/part-0", "-manifest.csv", ".metadata"] {
            let (in_tables, beside) = (format!("tables/job/t/tables/{ID}{rest}"), format!("tables/job/t/{ID}{rest}"));
            assert_eq!(places(None).left(&in_tables), Some(Left { query_id: ID }));
            assert_eq!(places(None).left(&beside), Some(Left { query_id: ID }));
        }
        for key in [
            "tables/job/t/readme.txt",
            "tables/job/t/",
            &format!("tables/job/u/tables/{ID}/x"),
            &format!("tables/job/t/{ID}x"),
        ] {
            assert_eq!(places(None).left(key), None, "{key}");
        }
    }
}

//! What a job is about, by its kind: the parameters that have its spec, and the reader of it.

use super::spec::{Part, Text, Writing, lacks, read};
use sluice::contract::{athena_elt, copy_table, keys, mysql_to_redshift};
use sluice::spec::{Parts, Spec};

/// A kind, and what a job of it says.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Files into a table of PostgreSQL.
    TransformAndUpsert(Box<Files>),
    /// A table of one PostgreSQL into another one.
    CopyTable(Box<copy_table::Spec>),
    /// Files of the lake into other tables of the lake, by SQL.
    AthenaElt(Box<athena_elt::Spec>),
    /// A table of MySQL into one of Redshift.
    MysqlToRedshift(Box<mysql_to_redshift::Spec>),
}

/// What a job of the kind `transform-and-upsert` says.
#[derive(Clone, Debug)]
pub struct Files {
    /// Keys of its input start with this.
    pub prefix: String,
    /// Its spec, as it is written.
    pub parts: Parts,
    /// The same, checked.
    pub spec: Spec,
}

impl Kind {
    /// What the job `name` says, whose kind's template is at `location`.
    ///
    /// # Errors
    /// Everything that is wrong with it, a line each.
    pub(super) fn read(
        location: &str,
        name: &str,
        text: Text<'_, '_>,
        written: Writing<'_>,
    ) -> Result<Self, Vec<String>> {
        let wrong = |parameter: &str, problem: &str| {
            let line = written(parameter).map_or_else(String::new, |written| format!(":{}", written.line));
            vec![format!("template.yaml{line}: job {name}: {problem}")]
        };
        match location {
            "statemachine/transform-and-upsert.yaml" => {
                let prefix = text("Prefix")
                    .and_then(|prefix| prefix.ok_or_else(|| lacks("Prefix")))
                    .and_then(|prefix| keys::refuse_prefix(prefix).map_or(Ok(prefix), Err));
                let prefix = prefix.map_err(|problem| wrong("Prefix", &problem))?;
                const PARTS: [Part; 3] = [
                    Part::object("/source", "Source"),
                    Part::object("/shape", "Shape"),
                    Part::object("/target", "Target"),
                ];
                let (parts, spec) = read(name, &PARTS, text, written, |[source, shape, target]| {
                    let parts = Parts { source, shape, target };
                    parts.check().map(|spec| (parts, spec))
                })?;
                Ok(Self::TransformAndUpsert(Box::new(Files { prefix: prefix.to_owned(), parts, spec })))
            }
            "statemachine/copy-table.yaml" => {
                const PARTS: [Part; 3] = [
                    Part::object("/source", "Source"),
                    Part::object("/target", "Target"),
                    Part::object("/windows", "Windows").or("null"),
                ];
                let spec = read(name, &PARTS, text, written, |[source, target, windows]| {
                    copy_table::Parts { source, target, windows }.check()
                })?;
                Ok(Self::CopyTable(Box::new(spec)))
            }
            "statemachine/athena-elt.yaml" => {
                const PARTS: [Part; 4] = [
                    Part::object("/sources", "Sources"),
                    Part::list("/targets", "Targets"),
                    Part::list("/more_targets", "MoreTargets").or("[]"),
                    Part::object("/variables", "Variables").or("{}"),
                ];
                let word = |parameter| match text(parameter) {
                    Ok(Some(word)) => Ok(word.to_owned()),
                    Ok(None) => Err(wrong(parameter, &lacks(parameter))),
                    Err(problem) => Err(wrong(parameter, &problem)),
                };
                let (database, source_prefix, export_prefix) =
                    (word("Database")?, word("SourcePrefix")?, word("ExportPrefix")?);
                let results_prefix = text("WorkGroupPrefix").map_err(|problem| wrong("WorkGroupPrefix", &problem))?;
                let results_prefix = results_prefix.filter(|prefix| !prefix.is_empty());
                let spec = read(name, &PARTS, text, written, |[sources, targets, more_targets, variables]| {
                    let parts = athena_elt::Parts {
                        database,
                        source_prefix,
                        export_prefix,
                        sources,
                        targets,
                        more_targets,
                        variables,
                    };
                    let spec = parts.check()?;
                    results_prefix.map_or(Ok(()), |prefix| spec.check_results(prefix)).map(|()| spec)
                })?;
                Ok(Self::AthenaElt(Box::new(spec)))
            }
            "statemachine/mysql-to-redshift.yaml" => {
                const PARTS: [Part; 3] = [
                    Part::object("/source", "Source"),
                    Part::object("/target", "Target"),
                    Part::object("/windows", "Windows").or("null"),
                ];
                let spec = read(name, &PARTS, text, written, |[source, target, windows]| {
                    mysql_to_redshift::Parts { source, target, windows }.check()
                })?;
                Ok(Self::MysqlToRedshift(Box::new(spec)))
            }
            _ => Err(vec![format!(
                "template.yaml: job {name}: Location is {location:?}, not a kind such as \
                 statemachine/transform-and-upsert.yaml"
            )]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{binaries, jobs, parse};

    const ELT: &str = "\
Resources:
  Films:
    Type: AWS::Serverless::Application
    Properties:
      Location: statemachine/athena-elt.yaml
      Parameters:
        Job: films
        Database: films
        SourcePrefix: lake/
        ExportPrefix: exports/
        Sources: |
          {\"movies\": {\"location\": \"movies/\",
                      \"columns\": [{\"name\": \"id\", \"type\": \"bigint\"}, {\"name\": \"title\"}]}}
        Targets: |
          [{\"table\": \"old\",
            \"select\": \"SELECT id, title FROM movies WHERE id < ?\",
            \"parameters\": [\"first\"], \"export\": {\"to\": \"old.csv\"}}]
        Variables: |
          {\"first\": {\"type\": \"bigint\", \"value\": 10}}
";

    #[test]
    fn a_job_that_makes_tables_by_sql_is_read_and_what_is_wrong_is_told_by_line_and_field() {
        let root = parse(ELT).unwrap();
        let jobs = jobs(&root, ELT).unwrap();
        let Kind::AthenaElt(spec) = &jobs[0].kind else { panic!("{:?}", jobs[0]) };
        assert_eq!(spec.targets[0].export.key, "exports/old.csv");
        let functions = binaries(&root, &jobs).unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(functions, ["prepare-elt", "publish-elt", "run-query"]);
        for (old, new, expected) in [
            ("\"select\"", "\"selects\"", "template.yaml:16: job films, /targets/0/selects: there is no such field"),
            ("\"bigint\"}, {", "\"text\"}, {", "template.yaml:13: job films, /sources/movies/columns/0/type: is none"),
            ("\"value\": 10", "\"value\": \"x\"", "template.yaml:19: job films, /variables/first/value: is no bigint"),
            ("[\"first\"]", "[\"last\"]", "template.yaml:17: job films, /targets/0/parameters/0: there is no variable"),
            ("Targets: |", "Target: |", "template.yaml: job films, /targets: it lacks the parameter Targets"),
            ("Database:", "Data:", "template.yaml: job films: it lacks the parameter Database"),
            ("lake/", "state/", "template.yaml: job films, /source_prefix: the prefix \"state/\" is where"),
            ("lake/", "exports/in/", "template.yaml:12: job films, /sources/movies/location: lies within ExportPrefix"),
            (
                "Database:",
                "WorkGroupPrefix: lake/movies/results/\n        Database:",
                "template.yaml:13: job films, /sources/movies/location: WorkGroupPrefix \"lake/movies/results/\" lies",
            ),
        ] {
            let told = told(&ELT.replacen(old, new, 1));
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }

    const FILES: &str = "\
Resources:
  Sales:
    Type: AWS::Serverless::Application
    Properties:
      Location: statemachine/transform-and-upsert.yaml
      Parameters:
        Job: sales
        Prefix: sales/
        Source: |
          {\"suffix\": \".csv\", \"columns\": {\"day\": {\"type\": \"date\"}, \"sum\": {\"type\": \"number\"}}}
        Shape: |
          {\"keys\": [\"day\"], \"values\": {\"sum\": \"sum\"}}
        Target: |
          {\"table\": \"sales\", \"create\": true, \"on_overlap\": \"all_files\"}
";

    #[test]
    fn a_prefix_that_is_none_is_told_with_its_line() {
        let root = parse(FILES).unwrap();
        assert!(matches!(jobs(&root, FILES).unwrap()[0].kind, Kind::TransformAndUpsert(_)));
        for (old, new, expected) in [
            ("sales/\n", "/sales\n", "template.yaml:8: job sales: the prefix \"/sales\" does not have the form"),
            ("sales/\n", "state/x/\n", "template.yaml:8: job sales: the prefix \"state/x/\" is where jobs write to"),
            ("Prefix:", "Prefixes:", "template.yaml: job sales: it lacks the parameter Prefix"),
        ] {
            let told = told(&FILES.replacen(old, new, 1));
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }

    const COPY: &str = "\
Resources:
  Copied:
    Type: AWS::Serverless::Application
    Properties:
      Location: statemachine/copy-table.yaml
      Parameters:
        Job: copied
        Source: |
          {\"schema\": \"public\",
           \"table\": \"users\"}
        Target: |
          {\"schema\": \"public\", \"table\": \"users\",
           \"key\": [\"id\"]}
        Windows: |
          {\"cursor\": \"created_at\", \"zone\": \"UTC\",
           \"window\": \"1 day\", \"start\": \"2024-01-01\"}
";

    fn told(text: &str) -> String {
        jobs(&parse(text).unwrap(), text).unwrap_err().to_string()
    }

    #[test]
    fn a_job_that_copies_a_table_is_read_and_needs_its_own_function() {
        let root = parse(COPY).unwrap();
        let jobs = jobs(&root, COPY).unwrap();
        let Kind::CopyTable(spec) = &jobs[0].kind else { panic!("{:?}", jobs[0]) };
        assert_eq!((spec.source_name(), jobs[0].prefix()), ("public.users".to_owned(), ""));
        assert_eq!(binaries(&root, &jobs).unwrap().into_iter().collect::<Vec<_>>(), ["copy-table"]);
    }

    #[test]
    fn a_job_from_mysql_to_redshift_is_read_and_what_is_wrong_with_it_told() {
        let text = COPY.replace("copy-table.yaml", "mysql-to-redshift.yaml");
        let jobs = jobs(&parse(&text).unwrap(), &text).unwrap_err().to_string();
        // It says no mode, and has no default for it.
        assert!(jobs.starts_with("template.yaml:12: job copied, /target") && jobs.contains("mode"), "{jobs}");
        let text = text.replace("\"key\": [\"id\"]", "\"key\": [\"id\"], \"mode\": \"upsert\"");
        let root = parse(&text).unwrap();
        let jobs = crate::template::jobs(&root, &text).unwrap();
        let Kind::MysqlToRedshift(spec) = &jobs[0].kind else { panic!("{:?}", jobs[0]) };
        assert_eq!((spec.target_name(), jobs[0].files().is_none()), ("public.users".to_owned(), true));
        let functions: Vec<String> = binaries(&root, &jobs).unwrap().into_iter().collect();
        assert_eq!(functions, ["export-table", "load-redshift", "plan-export"]);
    }

    #[test]
    fn two_jobs_that_load_one_table_of_redshift_are_told() {
        let text = COPY.replace("copy-table.yaml", "mysql-to-redshift.yaml");
        let text = text.replace("\"key\": [\"id\"]", "\"key\": [\"id\"], \"mode\": \"upsert\"");
        let mut root = parse(&text).unwrap();
        let resources = root["Resources"].as_object_mut().unwrap();
        let (id, mut other) = resources.iter().next().map(|(id, one)| (id.clone(), one.clone())).unwrap();
        other["Properties"]["Parameters"]["Job"] = "again".into();
        resources.insert(format!("{id}Again"), other.clone());
        let told = jobs(&root, "").unwrap_err().to_string();
        assert_eq!(
            told,
            format!("template.yaml: {id}Again: again loads public.users, as copied does; one table belongs to one job")
        );
        other["Properties"]["Parameters"]["RedshiftDatabase"] = "another".into();
        root["Resources"][&format!("{id}Again")] = other;
        assert_eq!(jobs(&root, "").unwrap().len(), 2, "in another database it is another table");
    }

    #[test]
    fn what_is_wrong_with_its_spec_is_told_by_line_and_field() {
        for (old, new, expected) in [
            ("\"key\"", "\"keys\"", "template.yaml:13: job copied, /target/keys: there is no such field; did you mean"),
            ("\"1 day\"", "\"a day\"", "template.yaml:16: job copied, /windows/window: window \"a day\" is not"),
            ("\"schema\": \"public\",\n", "\n", "template.yaml:9: job copied, /source: lacks the field \"schema\""),
            ("[\"id\"]", "[\"id\", \"id\"]", "template.yaml:13: job copied, /target/key: names a column twice"),
            ("[\"id\"]", "[\"${id}\"]", "template.yaml:13: job copied, /target/key/0: holds ${"),
            (
                "\"start\"",
                "\"max_windows\": 0, \"start\"",
                "template.yaml:16: job copied, /windows/max_windows: is 0, not",
            ),
            ("Windows: |", "Other: |", "template.yaml:12: job copied, /target/mode: the mode replace_window needs"),
            ("Source: |", "Sauce: |", "template.yaml: job copied, /source: it lacks the parameter Source"),
            ("copy-table.yaml", "copy.yaml", "Location is \"statemachine/copy.yaml\", not a kind"),
        ] {
            let told = told(&COPY.replacen(old, new, 1));
            assert!(told.contains(expected) && told.lines().count() == 1, "{expected}: {told}");
        }
    }
}

//! The spec of a job: parameters of its stack, which the states carry. Strict, so that a misspelt setting is an error
//! and not a default.

use super::names::refuse_name;
use super::sources::{self, Source};
use super::targets::{self, Target};
use super::variables::{self, Values, Variable};
use crate::contract::keys;
use crate::spec::Problem;
use crate::spec::names::reserved;
use crate::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The parameters as they stand in a payload.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Parts {
    /// The database of Glue that all tables are in.
    pub database: String,
    /// Where the lake is: locations of sources are counted from here.
    pub source_prefix: String,
    /// Where files go: those of targets are counted from here.
    pub export_prefix: String,
    /// The tables that are read.
    pub sources: Value,
    /// The tables that are made.
    pub targets: Value,
    /// More of them: SQL is long, and a parameter of CloudFormation is not.
    pub more_targets: Value,
    /// Values by which the SELECTs differ.
    pub variables: Value,
}

/// A checked spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The database of Glue that all tables are in.
    pub database: String,
    /// The tables that are read, by their names.
    pub sources: BTreeMap<String, Source>,
    /// The tables that are made.
    pub targets: Vec<Target>,
    /// Values with names.
    pub variables: BTreeMap<String, Variable>,
}

impl Parts {
    /// The spec of these parts.
    ///
    /// # Errors
    /// All that is wrong with it, by pointers that begin with the part: `/sources/movies/location`.
    pub fn check(&self) -> std::result::Result<Spec, Vec<Problem>> {
        let mut problems = Vec::new();
        if let Some(what) = refuse_name(&self.database) {
            problems.push(Problem { pointer: "/database".to_owned(), what });
        }
        for (pointer, prefix) in [("/source_prefix", &self.source_prefix), ("/export_prefix", &self.export_prefix)] {
            if let Some(what) = keys::refuse_prefix(prefix) {
                problems.push(Problem { pointer: pointer.to_owned(), what });
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        for (pointer, part) in [
            ("/sources", &self.sources),
            ("/targets", &self.targets),
            ("/more_targets", &self.more_targets),
            ("/variables", &self.variables),
        ] {
            reserved(pointer, part, &mut problems);
        }
        let variables = variables::read(&self.variables, &mut problems);
        let sources = sources::read(&self.sources, &self.source_prefix, &mut problems);
        let targets = targets::read(&self.targets, &self.more_targets, &self.export_prefix, &variables, &mut problems);
        sources::refuse_exports(&sources, &self.export_prefix, &mut problems);
        let first = self.targets.as_array().map_or(0, Vec::len);
        targets::compare(&targets, &sources, &mut problems, first);
        let spec = Spec { database: self.database.clone(), sources, targets, variables };
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    /// The same for a function, to which they come from the state machine.
    ///
    /// # Errors
    /// `Misconfigured`, naming the job and each field.
    pub fn spec(&self, job: &str) -> Result<Spec> {
        self.check().map_err(|problems| misconfigured(job, &problems))
    }
}

fn misconfigured(job: &str, problems: &[Problem]) -> Error {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Error::new(Kind::Misconfigured, format!("the spec of job {job}: {}", problems.join("; ")))
}

impl Spec {
    /// The target that makes `table`.
    ///
    /// # Errors
    /// `InvariantBroken` if there is none: the states take the names of tables from the spec.
    pub fn target(&self, table: &str) -> Result<&Target> {
        let found = self.targets.iter().find(|target| target.table == table);
        found.ok_or_else(|| Error::new(Kind::InvariantBroken, format!("the spec has no target {table}")))
    }

    /// Why a workgroup cannot put the results of queries, and the tables that they make, below `prefix`.
    ///
    /// # Errors
    /// Each source that shares files with them, by its pointer.
    pub fn check_results(&self, prefix: &str) -> std::result::Result<(), Vec<Problem>> {
        let problems = sources::refuse_results(&self.sources, prefix);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The same for a function, of a workgroup that decides itself where results go.
    ///
    /// # Errors
    /// `Misconfigured`, naming the job and each field.
    pub fn with_results(self, prefix: Option<&str>, job: &str) -> Result<Self> {
        let checked = prefix.map_or(Ok(()), |prefix| self.check_results(prefix));
        checked.map(|()| self).map_err(|problems| misconfigured(job, &problems))
    }

    /// The values of an execution: those that `given` sets, and else the spec's.
    ///
    /// # Errors
    /// What whoever started it may not set. Values are not repeated.
    pub fn values(&self, given: &Values) -> std::result::Result<Values, String> {
        let mut values: Values =
            self.variables.iter().map(|(name, variable)| (name.clone(), variable.value.clone())).collect();
        for (name, value) in given {
            let variable = self.variables.get(name).ok_or_else(|| format!("there is no variable {name:?}"))?;
            if variable.allowed.is_empty() {
                return Err(format!(
                    "the variable {name} cannot be set: the spec lists nothing that it is allowed to be"
                ));
            }
            if !variable.allowed.contains(value) {
                return Err(format!("the variable {name} is set to a value that the spec does not allow"));
            }
            values.insert(name.clone(), value.clone());
        }
        Ok(values)
    }

    /// The SQL literals that the question marks of a target stand for, in their order.
    ///
    /// # Errors
    /// `InvalidEvent` for a value that is none of its variable's type.
    pub fn literals(&self, target: &Target, values: &Values) -> Result<Vec<String>> {
        let literal = |name: &String| {
            let (variable, value) = (self.variables.get(name)?, values.get(name)?);
            variable.kind.literal(value)
        };
        let literals = target.parameters.iter().map(|name| {
            literal(name)
                .ok_or_else(|| Error::new(Kind::InvalidEvent, format!("the variable {name} has no value of its type")))
        });
        literals.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;
    use serde_json::json;

    fn parts() -> Parts {
        Parts {
            database: "movielens".into(),
            source_prefix: "movielens/".into(),
            export_prefix: "exports/".into(),
            sources: json!({
                "movies": {"location": "movies/", "columns": [{"name": "movie_id", "from": "movieId", "type": "bigint"},
                                                              {"name": "title"}]},
                "ratings": {"location": "ratings/", "columns": [{"name": "rating", "type": "decimal(2,1)"}]},
            }),
            targets: json!([{"table": "scifi", "select": ["SELECT title FROM movies", "WHERE title = ?"],
                             "parameters": ["genre"], "export": {"to": "scifi/scifi.csv", "order_by": ["title DESC"]}}]),
            more_targets: json!([]),
            variables: json!({"genre": {"value": "Sci-Fi", "allowed": ["Sci-Fi", "Drama"]},
                              "year": {"type": "bigint", "value": 2000}}),
        }
    }

    fn problems(change: impl Fn(&mut Parts)) -> Vec<String> {
        let mut parts = parts();
        change(&mut parts);
        parts.check().map_or_else(|problems| problems.iter().map(ToString::to_string).collect(), |_| Vec::new())
    }

    #[test]
    fn a_spec_is_read_with_its_defaults() {
        let spec = parts().check().unwrap();
        let movies = &spec.sources["movies"];
        assert_eq!(movies.prefix, "movielens/movies/");
        let columns: Vec<_> = movies.columns.iter().map(|it| (&*it.name, &*it.from, &*it.kind)).collect();
        assert_eq!(columns, [("movie_id", "movieId", "bigint"), ("title", "title", "varchar")]);
        let target = spec.target("scifi").unwrap();
        assert_eq!(target.select, "SELECT title FROM movies\nWHERE title = ?");
        assert_eq!((target.on_empty, target.keep_versions), (super::super::OnEmpty::Fail, 2));
        assert_eq!(target.export.key, "exports/scifi/scifi.csv");
        assert!(target.export.order_by[0].descending && !target.export.spreadsheet_safe);
        assert_eq!((target.export.format, target.export.folder()), (Format::Csv, None));
        assert!(spec.target("other").is_err());
    }

    #[test]
    fn results_go_where_nobody_reads_them_as_data() {
        let spec = parts().check().unwrap();
        for prefix in ["results/", "movielens/", "movielens/results/", "movielens/movies-results/"] {
            assert_eq!(spec.check_results(prefix), Ok(()), "{prefix}");
        }
        let told = |spec: &Spec, prefix: &str| {
            let problems = spec.check_results(prefix).unwrap_err();
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        for prefix in ["movielens/movies/", "movielens/movies/_results/"] {
            let told = told(&spec, prefix);
            assert!(told.starts_with("/sources/movies/location: WorkGroupPrefix"), "{told}");
            assert!(told.contains("within the source movies (movielens/movies/)"), "{told}");
        }
        for location in ["tables/", "tables/0c2f1b6e/"] {
            let mut parts = parts();
            parts.sources["movies"]["location"] = json!(location);
            let told = told(&parts.check().unwrap(), "movielens/");
            assert!(told.starts_with("/sources/movies/location: lies within \"movielens/tables/\", where"), "{told}");
        }
        let error = spec.with_results(Some("movielens/ratings/"), "films").unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured);
        assert!(error.to_string().contains("job films: /sources/ratings/location: "), "{error}");
    }

    #[test]
    fn files_of_either_kind_are_read_and_made() {
        let mut parts = parts();
        parts.sources["movies"]["format"] = json!("parquet");
        parts.targets[0]["export"] = json!({"format": "parquet", "to": "scifi/all.json"});
        let spec = parts.check().unwrap();
        let (movies, ratings) = (&spec.sources["movies"], &spec.sources["ratings"]);
        assert_eq!((movies.format, ratings.format), (Format::Parquet, Format::Csv));
        let export = &spec.targets[0].export;
        assert_eq!(
            (export.key.as_str(), export.folder()),
            ("exports/scifi/all.json", Some("exports/scifi/all/".into()))
        );
    }

    #[test]
    fn a_starter_chooses_among_what_is_allowed() {
        let spec = parts().check().unwrap();
        let given = |name: &str, value: Value| spec.values(&Values::from([(name.to_owned(), value)]));
        let values = given("genre", json!("Drama")).unwrap();
        assert_eq!(values, Values::from([("genre".into(), json!("Drama")), ("year".into(), json!(2000))]));
        let literals = spec.literals(spec.target("scifi").unwrap(), &values).unwrap();
        assert_eq!(literals, ["'Drama'"]);
        for (name, value, why) in [
            ("genre", json!("Horror"), "does not allow"),
            ("genre", json!(1), "does not allow"),
            ("year", json!(2001), "cannot be set"),
            ("table", json!("x"), "there is no variable"),
        ] {
            let error = given(name, value).unwrap_err();
            assert!(error.contains(why) && !error.contains("Horror"), "{error}");
        }
    }

    type Change = fn(&mut Parts);

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let cases: [(Change, &str); 36] = [
            (|it| it.database = "Movies".into(), "/database: \"Movies\" is no name"),
            (|it| it.source_prefix = "state/".into(), "/source_prefix: the prefix \"state/\" is where jobs write to"),
            (|it| it.export_prefix = String::new(), "/export_prefix: the prefix"),
            (|it| it.sources = json!([]), "/sources: is a list, not an object"),
            (|it| it.sources = json!({}), "/sources: names no table"),
            (|it| it.sources["movies"]["location"] = json!("movies"), "/sources/movies/location: the prefix"),
            (|it| it.sources["movies"]["location"] = json!("ratings/a/"), "lies within the location of movies"),
            (
                |it| it.source_prefix = "exports/scifi/".into(),
                "/sources/movies/location: lies within ExportPrefix \"exports/\", where the job writes",
            ),
            (
                |it| it.export_prefix = "movielens/ratings/".into(),
                "/sources/ratings/location: lies within ExportPrefix \"movielens/ratings/\", where",
            ),
            (|it| it.source_prefix = "tables/scifi/".into(), "/source_prefix: the prefix \"tables/scifi/\" is where"),
            (|it| it.sources["movies"]["colums"] = json!([]), "/sources/movies/colums: there is no such field"),
            (|it| it.sources["movies"]["columns"] = json!([]), "/sources/movies/columns: is not a list of columns"),
            (
                |it| it.sources["movies"]["columns"][1]["name"] = json!("movie_id"),
                "/columns/1/name: \"movie_id\" is there",
            ),
            (
                |it| it.sources["movies"]["columns"][1]["from"] = json!("movieId"),
                "/columns/1/from: \"movieId\" is there",
            ),
            (|it| it.sources["movies"]["columns"][1]["name"] = json!("a\"b"), "/columns/1/name: \"a\\\"b\" is no name"),
            (|it| it.sources["movies"]["columns"][0]["type"] = json!("text"), "/columns/0/type: is none of varchar"),
            (|it| it.targets = json!({}), "/targets: is an object, not a list"),
            (|it| it.targets = json!([]), "/targets: names no table"),
            (|it| it.targets[0]["table"] = json!("movies"), "/targets/0/table: is the name of a source"),
            (|it| it.targets[0]["table"] = json!("a__b"), "/targets/0/table: \"a__b\" is no name"),
            (|it| it.targets[0]["select"] = json!("DROP TABLE x"), "/targets/0/select: does not begin with SELECT"),
            (|it| it.targets[0]["select"] = json!("SELECT 1"), "/targets/0/parameters: names 1 variables for 0"),
            (|it| it.targets[0]["select"] = json!("SELECT ?, '${x}'"), "/targets/0/select: holds ${"),
            (|it| it.targets[0]["parameters"] = json!(["gender"]), "/targets/0/parameters/0: there is no variable"),
            (|it| it.targets[0]["keep_versions"] = json!(0), "/targets/0/keep_versions: is not 1 to 100"),
            (|it| it.targets[0]["export"]["format"] = json!("orc"), "/export/format: is \"orc\", not csv or parquet"),
            (|it| it.targets[0]["export"]["format"] = json!("parquet"), "/export/order_by: is for csv"),
            (|it| it.targets[0]["export"]["format"] = json!("parquet"), "/export/to: does not end with .json"),
            (
                |it| {
                    it.export_prefix = "movielens/".into();
                    it.targets[0]["export"] = json!({"format": "parquet", "to": "movies.json"});
                },
                "/export/to: \"movielens/movies.json\" lies within the source movies",
            ),
            (|it| it.sources["movies"]["format"] = json!("json"), "/sources/movies/format: is \"json\", not csv or"),
            (
                |it| {
                    it.sources["movies"]["format"] = json!("parquet");
                    it.sources["movies"]["columns"][1]["from"] = json!("MovieID");
                },
                "/sources/movies/columns/1/from: \"MovieID\" differs from \"movieId\" in upper and lower case",
            ),
            (
                |it| {
                    it.sources["movies"]["format"] = json!("parquet");
                    it.sources["movies"]["columns"][1]["from"] = json!("the title");
                },
                "/sources/movies/columns/1/from: \"the title\" has something else in it than letters",
            ),
            (|it| it.targets[0]["export"]["to"] = json!("a//b.csv"), "/targets/0/export/to: \"exports/a//b.csv\""),
            (
                |it| it.export_prefix = "movielens/movies/".into(),
                "/targets/0/export/to: \"movielens/movies/scifi/scifi.csv\" lies within",
            ),
            (|it| it.more_targets = it.targets.clone(), "/more_targets/0/table: \"scifi\" is there already"),
            (|it| it.variables["genre"]["allowed"] = json!(["a", 1]), "/variables/genre/allowed/1: is no varchar"),
        ];
        for (change, expected) in cases {
            let told = problems(change);
            assert!(told.iter().any(|problem| problem.contains(expected)), "{expected}: {told:#?}");
        }
        let both = problems(|it| {
            it.sources["movies"]["columns"][0]["type"] = json!("text");
            it.variables["genre"] = json!({"type": "date"});
            it.targets[0]["on_empty"] = json!("ignore");
        });
        assert_eq!(both.len(), 3, "all problems at once: {both:#?}");
    }
}

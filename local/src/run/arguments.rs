//! The arguments of a run, of which each kind of job takes some.

use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct RunArguments {
    /// Which job of template.yaml; without it the reference job, pomodoro, or else the first one.
    #[arg(long, value_name = "NAME")]
    pub(super) job: Option<String>,
    /// Load a file, or the files of a folder and those within, in place of the sample, into a bucket and a database of
    /// their own.
    #[arg(long, value_name = "DIR|FILE")]
    pub(super) input: Option<PathBuf>,
    /// Upload one more file before the run; of a job that reads a table of a database, run a file of SQL there. May be
    /// repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) add: Vec<PathBuf>,
    /// Reprocess the files from this time on, such as 2024-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Reprocess this object even if it is loaded, such as input_data/a.csv. May be repeated.
    #[arg(long, value_name = "KEY")]
    forget: Vec<String>,
    /// Load all files again, as if for the first time, and delete the keys that none of them has, in one transaction.
    #[arg(long, conflicts_with_all = ["since", "forget"])]
    reload: bool,
    /// Do everything, say what it came to, and roll it back; of a job that reads a table of a database, say what would
    /// be copied.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Load nothing, and say why this object is new or not, such as input_data/a.csv; of a job that loads windows into
    /// Redshift, whether the one with this day or time is loaded. May be repeated.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["dry_run", "forget", "reload"])]
    pub(super) explain: Vec<String>,
    /// Copy a table's windows from this day or time on, such as 2024-01-01, also those that were copied. Without it, a
    /// run copies what is missing, as it does by the clock.
    #[arg(long, value_name = "TIME", requires = "to")]
    from: Option<String>,
    /// Copy a table's windows before this day or time.
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// Copy nothing, and compare the windows of both tables.
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,
    /// Load nothing, and compare what a job has loaded into Redshift with MySQL, by the whole key.
    #[arg(long, conflicts_with_all = ["dry_run", "explain", "from", "full"])]
    audit: bool,
    /// Replace the whole table, of a job that loads windows into Redshift. Its spec has to allow it.
    #[arg(long, conflicts_with_all = ["since", "forget", "reload", "from"])]
    full: bool,
    /// Set a variable of the job, such as genre=Drama, to one of its allowed values. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) set: Vec<String>,
    /// Run nothing: check the job's spec and, with --input, say what it would read, and the table that would come of
    /// it.
    #[arg(long, conflicts_with_all = ["add", "since", "forget", "reload", "dry_run", "explain", "from", "to", "verify", "audit", "full", "set", "json"])]
    pub(super) check: bool,
    /// Print one JSON object per execution, and nothing else, on standard output.
    #[arg(long)]
    pub(super) json: bool,
}

/// The time that a source has rows of.
pub(super) struct Span {
    /// The first day, as a date.
    pub(super) from: String,
    /// The day after the last one.
    pub(super) to: String,
    /// When that day begins, RFC 3339.
    pub(super) end: String,
}

impl RunArguments {
    /// The input of an execution that loads files.
    ///
    /// # Errors
    /// An argument that only a job of another kind takes.
    pub(super) fn input_of_files(&self) -> Result<Value, &'static str> {
        refuse(&[
            ("--from", self.from.is_some()),
            ("--verify", self.verify),
            ("--audit", self.audit),
            ("--full", self.full),
            ("--set", !self.set.is_empty()),
        ])?;
        let mut input = Map::new();
        if let Some(since) = &self.since {
            input.insert("since".to_owned(), since.as_str().into());
        }
        for (name, is_asked) in [("reload", self.reload), ("dry_run", self.dry_run)] {
            if is_asked {
                input.insert(name.to_owned(), true.into());
            }
        }
        for (name, keys) in [("forget", &self.forget), ("explain", &self.explain)] {
            if !keys.is_empty() {
                input.insert(name.to_owned(), keys.clone().into());
            }
        }
        Ok(input.into())
    }

    /// Whether a job that copies a table takes all of them.
    ///
    /// # Errors
    /// An argument that only a job of another kind takes.
    pub(super) fn check_for_windows(&self) -> Result<(), &'static str> {
        refuse(&[
            ("--input", self.input.is_some()),
            ("--since", self.since.is_some()),
            ("--forget", !self.forget.is_empty()),
            ("--reload", self.reload),
            ("--explain", !self.explain.is_empty()),
            ("--audit", self.audit),
            ("--full", self.full),
            ("--set", !self.set.is_empty()),
        ])
    }

    /// The input of an execution that takes a table to Redshift.
    ///
    /// # Errors
    /// An argument that only a job of another kind takes.
    pub(super) fn input_of_transfer(&self) -> Result<Value, &'static str> {
        refuse(&[
            ("--input", self.input.is_some()),
            ("--since", self.since.is_some()),
            ("--forget", !self.forget.is_empty()),
            ("--reload", self.reload),
            ("--verify", self.verify),
            ("--set", !self.set.is_empty()),
        ])?;
        let mut input = Map::new();
        if !self.explain.is_empty() {
            input.insert("explain".to_owned(), self.explain.clone().into());
        }
        for (name, time) in [("from", &self.from), ("to", &self.to)] {
            if let Some(time) = time {
                input.insert(name.to_owned(), time.as_str().into());
            }
        }
        for (name, is_asked) in [("full", self.full), ("dry_run", self.dry_run), ("audit", self.audit)] {
            if is_asked {
                input.insert(name.to_owned(), true.into());
            }
        }
        Ok(input.into())
    }

    /// Whether a job of SQL in the lake takes all of them.
    ///
    /// # Errors
    /// An argument that only a job of another kind takes.
    pub(super) fn check_for_lake(&self) -> Result<(), &'static str> {
        refuse(&[
            ("--add", !self.add.is_empty()),
            ("--since", self.since.is_some()),
            ("--forget", !self.forget.is_empty()),
            ("--reload", self.reload),
            ("--dry-run", self.dry_run),
            ("--explain", !self.explain.is_empty()),
            ("--from", self.from.is_some()),
            ("--verify", self.verify),
            ("--audit", self.audit),
            ("--full", self.full),
        ])
    }

    /// The input of an execution that copies windows of a source with rows of `span`. A plain run is that of the clock
    /// after the last row; comparing and trying are about all rows.
    pub(super) fn input_of_windows(&self, span: Option<&Span>) -> Value {
        let range = match (&self.from, span) {
            (Some(from), _) => json!({"from": from, "to": self.to}),
            (None, Some(span)) if self.verify || self.dry_run => json!({"from": span.from, "to": span.to}),
            (None, Some(span)) => json!({"scheduled_time": span.end}),
            (None, None) => json!({}),
        };
        match (self.verify, self.dry_run) {
            (true, _) => json!({"verify": range}),
            (false, true) => {
                let mut input = range;
                input["dry_run"] = true.into();
                input
            }
            (false, false) => range,
        }
    }
}

/// The first argument that was given.
fn refuse(arguments: &[(&'static str, bool)]) -> Result<(), &'static str> {
    arguments.iter().find(|(_, is_given)| *is_given).map_or(Ok(()), |(name, _)| Err(*name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use sluice::contract::copy_table::Trigger;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        run: RunArguments,
    }

    fn read(arguments: &[&str]) -> RunArguments {
        Command::try_parse_from([&["local"], arguments].concat()).unwrap().run
    }

    #[test]
    fn what_is_asked_of_a_copy_is_an_input_that_the_function_takes() {
        let span = Span { from: "2024-01-01".into(), to: "2024-02-01".into(), end: "2024-02-01T00:00:00Z".into() };
        for (arguments, expected) in [
            (vec![], json!({"scheduled_time": "2024-02-01T00:00:00Z"})),
            (vec!["--verify"], json!({"verify": {"from": "2024-01-01", "to": "2024-02-01"}})),
            (vec!["--dry-run"], json!({"from": "2024-01-01", "to": "2024-02-01", "dry_run": true})),
            (vec!["--from", "2024-01-05", "--to", "2024-01-07"], json!({"from": "2024-01-05", "to": "2024-01-07"})),
            (
                vec!["--from", "2024-01-05", "--to", "2024-01-07", "--verify"],
                json!({"verify": {"from": "2024-01-05", "to": "2024-01-07"}}),
            ),
        ] {
            let arguments = read(&arguments);
            arguments.check_for_windows().unwrap();
            let input = arguments.input_of_windows(Some(&span));
            assert_eq!(input, expected);
            Trigger::read(&input).unwrap();
            Trigger::read(&arguments.input_of_windows(None)).unwrap();
        }
    }

    #[test]
    fn an_argument_of_the_other_kind_is_refused_by_its_name() {
        assert_eq!(read(&["--verify"]).input_of_files(), Err("--verify"));
        assert_eq!(read(&["--from", "2024-01-01", "--to", "2024-01-02"]).input_of_files(), Err("--from"));
        for (argument, value) in [("--since", "x"), ("--forget", "x"), ("--input", "x"), ("--explain", "x")] {
            assert_eq!(read(&[argument, value]).check_for_windows(), Err(argument));
        }
        assert_eq!(read(&["--reload"]).check_for_windows(), Err("--reload"));
        assert_eq!(read(&["--reload"]).input_of_transfer(), Err("--reload"));
        assert_eq!(read(&["--audit"]).check_for_windows(), Err("--audit"));
        assert_eq!(read(&["--audit"]).input_of_files(), Err("--audit"));
        assert_eq!(read(&["--audit"]).check_for_lake(), Err("--audit"));
        assert_eq!(read(&["--audit"]).input_of_transfer(), Ok(json!({"audit": true})));
        assert_eq!(read(&["--explain", "2018-07-01"]).input_of_transfer(), Ok(json!({"explain": ["2018-07-01"]})));
    }
}

//! What may be started and stopped, and what that will do: pure, but for the one-use values of forms.

use crate::kind::Kind;
use crate::model::Job;
use crate::token;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many forms may be open at once; older ones have to be opened again.
const OPEN_FORMS: usize = 500;

/// Something that can be done with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run it now.
    Run,
    /// Try it, and roll back.
    DryRun,
    /// Load files again.
    Again,
    /// Load all files since a time again.
    Since,
    /// Copy or load a range of days.
    Backfill,
    /// Say why files are new or not.
    Explain,
    /// Stop a run.
    Stop,
}

impl Action {
    /// Its word in an address.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::DryRun => "dry-run",
            Self::Again => "again",
            Self::Since => "since",
            Self::Backfill => "backfill",
            Self::Explain => "explain",
            Self::Stop => "stop",
        }
    }

    /// The action of this word.
    pub fn of(slug: &str) -> Option<Self> {
        [Self::Run, Self::DryRun, Self::Again, Self::Since, Self::Backfill, Self::Explain]
            .into_iter()
            .find(|action| action.slug() == slug)
    }

    /// Whether jobs of this kind have it.
    pub fn is_for(self, kind: Kind) -> bool {
        match self {
            Self::Run | Self::Stop => true,
            Self::DryRun => kind != Kind::AthenaElt,
            Self::Again | Self::Since | Self::Explain => kind == Kind::TransformAndUpsert,
            Self::Backfill => kind.has_windows(),
        }
    }
}

/// What a form says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The one-use value.
    pub once: String,
    /// The first day, or the time from which on.
    pub from: String,
    /// The last day.
    pub to: String,
    /// Which days: `missing` or `all`.
    pub which: String,
    /// Keys, a line each.
    pub keys: String,
    /// `1`: try it, and roll back.
    pub dry: String,
    /// What was shown above the form when it was sent: what will happen, as [`shown`] writes it.
    pub shown: String,
}

/// What a form shows of what it will do, so that nothing else is started by it: the input, but for a trial or not,
/// which is what its buttons say. `-` for what is not understood yet.
pub fn shown(action: Action, job: &Job, form: &Form) -> String {
    match input(action, job, &Form { dry: String::new(), ..form.clone() }) {
        Ok(input) => input.to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// The input of the execution that an action starts.
///
/// # Errors
/// What of the form is not understood, in a sentence.
pub fn input(action: Action, job: &Job, form: &Form) -> Result<Value, String> {
    if !action.is_for(job.kind) {
        return Err(format!("Jobs of the kind {} cannot do that.", job.kind.name()));
    }
    let is_dry = form.dry == "1" && Action::DryRun.is_for(job.kind);
    let with_dry = |mut input: Value| {
        if is_dry {
            input["dry_run"] = true.into();
        }
        input
    };
    match action {
        Action::Run => Ok(with_dry(json!({}))),
        Action::DryRun => Ok(json!({"dry_run": true})),
        Action::Again => Ok(with_dry(json!({"forget": keys(form, job)?}))),
        Action::Explain => Ok(json!({"explain": keys(form, job)?})),
        Action::Since => Ok(with_dry(json!({"since": time(&form.from)?}))),
        Action::Backfill => {
            let (from, to) = (day(&form.from, "first")?, day(&form.to, "last")?);
            if to < from {
                return Err("The last day is before the first one.".to_owned());
            }
            // Days are inclusive for people; the input has the first day that is no longer in it.
            let end = to.tomorrow().map_err(|_| "The last day is too late.".to_owned())?;
            let mut input = json!({"from": from.to_string(), "to": end.to_string()});
            if form.which != "all" {
                input["only_missing"] = true.into();
            }
            Ok(with_dry(input))
        }
        Action::Stop => Ok(Value::Null),
    }
}

fn keys(form: &Form, job: &Job) -> Result<Vec<String>, String> {
    let keys: Vec<String> = form
        .keys
        .lines()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    if keys.is_empty() {
        return Err("Say at least one key.".to_owned());
    }
    if let Some(other) = keys.iter().find(|key| !key.starts_with(&job.spec.prefix)) {
        let other = crate::words::visible(other, 80);
        return Err(format!("Keys of this job begin with {}: {other} does not.", job.spec.prefix));
    }
    Ok(keys)
}

fn day(text: &str, which: &str) -> Result<Date, String> {
    let date = text.trim().parse::<Date>().ok().filter(|_| text.trim().len() == 10);
    date.ok_or_else(|| format!("The {which} day is not of the form 2024-01-31."))
}

/// A time, or the midnight of a day in UTC.
fn time(text: &str) -> Result<String, String> {
    let text = text.trim();
    if day(text, "").is_ok() {
        return Ok(format!("{text}T00:00:00Z"));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => Ok(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        Err(_) => Err("The time is neither of the form 2024-01-31 nor 2024-01-31T06:00:00Z.".to_owned()),
    }
}

/// The values of forms that are open, each good for one press: the second one finds the run that the first one started.
#[derive(Default)]
pub struct Once {
    issued: Mutex<VecDeque<Issued>>,
}

struct Issued {
    value: String,
    /// For which job and which action.
    scope: String,
    /// The name of the execution that it started, once it did.
    started: Option<String>,
}

/// What a value is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// Start an execution of this name.
    First(String),
    /// It has started the execution of this name.
    Again(String),
    /// Nothing: it was not given out for this.
    Unknown,
}

impl Once {
    /// A new value for a job and an action.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn issue(&self, scope: &str) -> std::io::Result<String> {
        let value = token::random()?;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if issued.len() == OPEN_FORMS {
            issued.pop_front();
        }
        issued.push_back(Issued { value: value.clone(), scope: scope.to_owned(), started: None });
        Ok(value)
    }

    /// Uses a value. The execution is named after it, so that Step Functions too knows a second start.
    pub fn take(&self, value: &str, scope: &str) -> Use {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = issued.iter_mut().find(|known| known.value == value && known.scope == scope) else {
            return Use::Unknown;
        };
        if let Some(name) = &known.started {
            return Use::Again(name.clone());
        }
        let name = format!("page-{}", &known.value[..24]);
        known.started = Some(name.clone());
        Use::First(name)
    }

    /// Makes a value good again: what it was for could not be done.
    pub fn give_back(&self, value: &str) {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = issued.iter_mut().find(|known| known.value == value) {
            known.started = None;
        }
    }
}

/// The same by a command.
pub fn command(machine: &str, input: &Value) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    format!(
        "aws stepfunctions start-execution \\\n    --state-machine-arn {} \\\n    --input {}",
        quoted(machine),
        quoted(&input.to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::tests::of_kind;
    use crate::model::JobSpec;

    fn job(kind: Kind) -> Job {
        Job {
            name: "j".into(),
            kind,
            machine: "arn".into(),
            definition: of_kind(kind).into(),
            spec: JobSpec { prefix: "in/".into(), ..JobSpec::default() }.into(),
            schedule: None,
            runs: None,
            is_cut: false,
            is_history_cut: false,
            missing: std::collections::BTreeSet::new(),
            files: None,
            windows: None,
            unread_windows: 0,
        }
    }

    fn form(pairs: &[(&str, &str)]) -> Form {
        let of = |name: &str| pairs.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value).to_owned();
        Form {
            once: of("once"),
            from: of("from"),
            to: of("to"),
            which: of("which"),
            keys: of("keys"),
            dry: of("dry"),
            shown: of("shown"),
        }
    }

    /// Each input is one that the functions understand.
    #[test]
    fn inputs_are_those_of_the_readme() {
        use sluice::contract::{copy_table, mysql_to_redshift};
        for (action, kind, pairs, expected) in [
            (Action::Run, Kind::CopyTable, vec![], json!({})),
            (Action::DryRun, Kind::CopyTable, vec![], json!({"dry_run": true})),
            (
                Action::Again,
                Kind::TransformAndUpsert,
                vec![("keys", "in/a.csv\r\nin/b.csv\r\n")],
                json!({"forget": ["in/a.csv", "in/b.csv"]}),
            ),
            (
                Action::Since,
                Kind::TransformAndUpsert,
                vec![("from", "2024-01-31"), ("dry", "1")],
                json!({"since": "2024-01-31T00:00:00Z", "dry_run": true}),
            ),
            (
                Action::Backfill,
                Kind::CopyTable,
                vec![("from", "2024-02-14"), ("to", "2024-02-29")],
                json!({"from": "2024-02-14", "to": "2024-03-01", "only_missing": true}),
            ),
            (
                Action::Backfill,
                Kind::MysqlToRedshift,
                vec![("from", "2024-02-14"), ("to", "2024-02-14"), ("which", "all")],
                json!({"from": "2024-02-14", "to": "2024-02-15"}),
            ),
            (
                Action::Backfill,
                Kind::CopyTable,
                vec![("from", "2024-02-14"), ("to", "2024-02-14"), ("dry", "1")],
                json!({"from": "2024-02-14", "to": "2024-02-15", "only_missing": true, "dry_run": true}),
            ),
            (
                Action::Backfill,
                Kind::MysqlToRedshift,
                vec![("from", "2024-02-14"), ("to", "2024-02-14"), ("which", "missing"), ("dry", "1")],
                json!({"from": "2024-02-14", "to": "2024-02-15", "only_missing": true, "dry_run": true}),
            ),
            (
                Action::Explain,
                Kind::TransformAndUpsert,
                vec![("keys", "in/a b.csv")],
                json!({"explain": ["in/a b.csv"]}),
            ),
        ] {
            let found = input(action, &job(kind), &form(&pairs)).unwrap();
            assert_eq!(found, expected);
            match kind {
                Kind::CopyTable => assert!(copy_table::Trigger::read(&found).is_ok(), "{found}"),
                Kind::MysqlToRedshift => assert!(mysql_to_redshift::Trigger::read(&found).is_ok(), "{found}"),
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (action, kind, pairs, expected) in [
            (Action::Backfill, Kind::CopyTable, vec![("from", "2024-02-30"), ("to", "2024-03-01")], "The first day"),
            (Action::Backfill, Kind::CopyTable, vec![("from", "2024-02-02"), ("to", "2024-02-01")], "before the first"),
            (Action::Again, Kind::TransformAndUpsert, vec![("keys", "\n")], "at least one key"),
            (Action::Again, Kind::TransformAndUpsert, vec![("keys", "state/x")], "begin with in/"),
            (Action::Since, Kind::TransformAndUpsert, vec![("from", "yesterday")], "The time"),
            (Action::Again, Kind::CopyTable, vec![("keys", "in/a")], "cannot do that"),
            (Action::DryRun, Kind::AthenaElt, vec![], "cannot do that"),
        ] {
            let error = input(action, &job(kind), &form(&pairs)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_is_shown_changes_with_what_is_filled_in_but_not_with_a_trial() {
        let of = |pairs: &[(&str, &str)]| shown(Action::Backfill, &job(Kind::CopyTable), &form(pairs));
        let days = [("from", "2024-02-14"), ("to", "2024-02-15")];
        assert_eq!(of(&[]), "-");
        assert_eq!(of(&days), of(&[days[0], days[1], ("dry", "1")]));
        assert_ne!(of(&days), of(&[days[0], days[1], ("which", "all")]));
        assert_ne!(of(&days), of(&[days[0], ("to", "2024-02-16")]));
    }

    #[test]
    fn a_value_starts_one_run_and_only_what_it_is_for() {
        let once = Once::default();
        let value = once.issue("j/run").unwrap();
        assert_eq!(once.take(&value, "other/run"), Use::Unknown);
        let Use::First(name) = once.take(&value, "j/run") else { panic!("the first press") };
        assert!(name.len() <= 80 && name.starts_with("page-"));
        assert_eq!(once.take(&value, "j/run"), Use::Again(name.clone()));
        once.give_back(&value);
        assert_eq!(once.take(&value, "j/run"), Use::First(name));
        assert_eq!(once.take("", "j/run"), Use::Unknown);
    }

    #[test]
    fn a_command_can_be_pasted_whatever_a_key_holds() {
        let text = command("arn:x", &json!({"forget": ["in/it's $(here).csv"]}));
        assert!(text.ends_with(r#"--input '{"forget":["in/it'\''s $(here).csv"]}'"#), "{text}");
    }
}

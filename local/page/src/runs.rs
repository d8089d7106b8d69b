//! The runs of a job, as lists come again and rows of the database are put to them.

use crate::cache::Cache;
use crate::model::{Head, Job, Revision, Row, Run, Stack};
use crate::outcome::Status;
use crate::shared::RUNS_READ;
use crate::zone::now;
use aws_sdk_s3::primitives::DateTime;
use std::collections::HashMap;
use std::sync::Arc;

/// How long a run that was started here may be missing in lists, in milliseconds: these lag behind.
const LAG: i64 = 10_000;

/// A run that was started just now, of which no list knows yet.
pub(crate) fn begin(stack: &mut Stack, job: &str, name: &str, arn: Option<String>) {
    let (Some(job), Some(arn)) = (stack.jobs.get_mut(job), arn) else { return };
    let head = Head { name: name.to_owned(), arn, status: Status::Running, started: now(), ended: None };
    job.runs.get_or_insert_default().insert(0, Run::new(head));
}

/// How long Step Functions remembers a run, in milliseconds.
const REMEMBERED: i64 = 90 * DAY;

/// Takes over a list of executions; what was read of each stays. With `is_cut` there are more than these, the newest.
/// Says whether one has ended that had not before.
pub(crate) fn merge(job: &mut Job, heads: Vec<Head>, is_cut: bool, cache: Option<&Cache>) -> bool {
    job.is_cut = is_cut;
    let is_first = job.runs.is_none();
    let mut known: HashMap<String, Run> =
        job.runs.take().into_iter().flatten().map(|run| (run.head.arn.clone(), run)).collect();
    let mut has_ended = is_first;
    let mut revisions: Vec<Revision> = Vec::new();
    let mut runs: Vec<Run> = heads
        .into_iter()
        .enumerate()
        .map(|(place, head)| match known.remove(&head.arn) {
            Some(mut run) => {
                if run.head.status != head.status {
                    has_ended = true;
                    // It was described while it ran.
                    run.facts = None;
                }
                run.head = head;
                run
            }
            None => {
                let mut run = Run::new(head);
                if let Some(cache) = cache.filter(|_| place < RUNS_READ && run.head.ended.is_some()) {
                    let kept = cache.read(&run.head);
                    (run.facts, run.story) = (kept.facts.map(Arc::new), kept.story.map(Arc::new));
                    run.revision = kept.revision.and_then(|digest| {
                        let known = revisions.iter().find(|known| known.digest == digest).cloned();
                        known.or_else(|| {
                            revisions.push(cache.read_revision(&digest)?);
                            revisions.last().cloned()
                        })
                    });
                }
                run
            }
        })
        .collect();
    // What Step Functions has forgotten, and the database has not; and what it does not list yet.
    let is_new = |run: &Run| run.head.ended.is_none() && now() - run.head.started < LAG;
    let is_behind = |run: &Run| is_cut && now() - run.head.started < REMEMBERED;
    let stays = |run: &Run| run.row.is_some() || is_new(run) || (is_behind(run) && run.facts.is_some());
    let mut others: Vec<Run> = known.into_values().filter(stays).collect();
    others.iter_mut().for_each(|run| run.is_forgotten = run.row.is_some() && !is_behind(run));
    runs.extend(others);
    runs.sort_by_key(|run| std::cmp::Reverse(run.head.started));
    job.runs = Some(runs);
    has_ended
}

/// When the last success began that covers what was there then: what runs look at is dated from there on. What an older
/// success leaves open, an older one does not say.
pub(crate) fn watermark(job: &Job) -> Option<DateTime> {
    let mut runs = job.runs.iter().flatten();
    let last = runs.find(|run| run.facts.as_ref().is_some_and(|facts| facts.is_watermark))?;
    Some(DateTime::from_millis(last.head.started))
}

/// A run that was asked for by its name.
pub(crate) fn put(job: &mut Job, run: Run) {
    let runs = job.runs.get_or_insert_default();
    match runs.iter_mut().find(|known| known.head.arn == run.head.arn && !known.is_forgotten) {
        Some(known) => (known.head, known.facts) = (run.head, run.facts),
        None => runs.push(run),
    }
    runs.sort_by_key(|run| std::cmp::Reverse(run.head.started));
}

/// By how much the start that was written down may differ from the one that Step Functions says, in milliseconds.
const DAY: i64 = 86_400_000;

/// Puts what was written down to the runs that it is of; that of runs that Step Functions has forgotten become runs of
/// their own. The name of an execution may be used again after 90 days: by its time it is another run.
pub(crate) fn join(job: &mut Job, rows: Vec<Row>) {
    let is_cut = job.is_cut;
    let runs = job.runs.get_or_insert_default();
    for row in rows {
        let is_of = |run: &Run| {
            let until = run.head.ended.unwrap_or_else(now).max(run.head.started) + DAY;
            run.head.arn == row.execution && (run.head.started - DAY..=until).contains(&row.started)
        };
        match runs.iter_mut().find(|run| is_of(run)) {
            // One that failed, was tried again and has loaded has two: the one that loaded says more.
            Some(run) if run.row.as_ref().is_some_and(|known| known.committed.is_some() && row.committed.is_none()) => {
            }
            Some(run) => {
                if run.is_forgotten && run.row.as_ref().is_some_and(|known| known.committed != row.committed) {
                    run.head = forgotten(row.clone()).head;
                }
                run.row = Some(Arc::new(row));
            }
            // One that is not among the newest is not forgotten for that: it is described when somebody asks for it.
            None => {
                let is_forgotten = !is_cut || now() - row.started >= REMEMBERED;
                runs.push(Run { is_forgotten, ..forgotten(row) });
            }
        }
    }
    runs.sort_by_key(|run| std::cmp::Reverse(run.head.started));
}

/// A run that is known by what was written down alone.
fn forgotten(row: Row) -> Run {
    let name = row.execution.rsplit(':').next().unwrap_or_default().to_owned();
    let (started, ended) = (row.started, Some(row.ended));
    let head = Head { name, arn: row.execution.clone(), status: row.status, started, ended };
    Run { is_forgotten: true, row: Some(Arc::new(row)), ..Run::new(head) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::definition::tests::of_kind;
    use crate::fold::Story;
    use crate::kind::Kind;
    use crate::model::JobSpec;
    use crate::outcome::Outcome;

    pub(crate) fn head(name: &str, status: Status, started: i64) -> Head {
        let ended = (status != Status::Running).then_some(started + 5);
        Head { name: name.into(), arn: format!("arn:aws:states:x:1:execution:m:{name}"), status, started, ended }
    }

    pub(crate) fn job() -> Job {
        Job {
            name: "j".into(),
            kind: Kind::TransformAndUpsert,
            machine: "arn:aws:states:x:1:stateMachine:m".into(),
            definition: of_kind(Kind::TransformAndUpsert).into(),
            spec: JobSpec::default().into(),
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

    #[test]
    fn a_list_keeps_what_was_read_and_says_what_has_ended() {
        let mut job = job();
        assert!(merge(&mut job, vec![head("a", Status::Running, 1)], false, None), "the first list");
        assert!(!merge(&mut job, vec![head("a", Status::Running, 1)], false, None));
        job.runs.as_mut().unwrap()[0].story = Some(Arc::new(Story::default()));
        assert!(merge(&mut job, vec![head("b", Status::Running, 2), head("a", Status::Failed, 1)], false, None));
        let names: Vec<&str> = job.runs.iter().flatten().map(|run| run.head.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert!(job.run("a").unwrap().story.is_some());
    }

    #[test]
    fn a_run_that_was_started_here_stays_while_lists_lag_behind() {
        let mut stack = Stack { jobs: [("j".to_owned(), job())].into(), ..Stack::default() };
        begin(&mut stack, "j", "page-1", Some("arn:aws:states:x:1:execution:m:page-1".into()));
        let job = stack.jobs.get_mut("j").unwrap();
        merge(job, vec![head("a", Status::Succeeded, 1)], false, None);
        assert!(job.run("page-1").is_some_and(|run| !run.is_forgotten));
        job.runs.as_mut().unwrap()[0].head.started -= 2 * LAG;
        merge(job, vec![head("a", Status::Succeeded, 1)], false, None);
        assert!(job.run("page-1").is_none());
    }

    fn row(name: &str, status: Status, started: i64) -> Row {
        Row {
            execution: format!("arn:aws:states:x:1:execution:m:{name}"),
            committed: (status == Status::Succeeded).then_some(started + 3),
            ended: started + 3,
            status,
            started,
            rows: 7,
            ..Row::default()
        }
    }

    fn outcomes(job: &Job) -> Vec<(&str, Outcome, bool)> {
        let runs = job.runs.iter().flatten();
        runs.map(|run| (run.head.name.as_str(), run.outcome(), run.is_forgotten)).collect()
    }

    #[test]
    fn rows_of_forgotten_runs_are_runs_and_stay_when_the_list_comes_again() {
        let mut job = job();
        let rows = || {
            let (failed, late) = (row("bad", Status::Failed, 2), row("late", Status::TimedOut, 3));
            vec![row("a", Status::Succeeded, 10), row("old", Status::Succeeded, 1), failed, late]
        };
        merge(&mut job, vec![head("a", Status::Succeeded, 10)], false, None);
        // Twice: the database is asked again when a run has ended.
        join(&mut job, rows());
        join(&mut job, rows());
        merge(&mut job, vec![head("a", Status::Succeeded, 10)], false, None);
        let expected = [
            ("a", Outcome::EndedWell, false),
            ("late", Outcome::TimedOut, true),
            ("bad", Outcome::Failed, true),
            ("old", Outcome::Loaded, true),
        ];
        assert_eq!(outcomes(&job), expected);
        assert_eq!((job.run("old").unwrap().rows(), job.run("bad").unwrap().rows()), (Some(7), None));
    }

    /// Of a job that runs each minute a list has the runs of 17 hours.
    #[test]
    fn a_run_behind_the_newest_thousand_is_not_older_than_ninety_days() {
        let (mut job, now) = (job(), now());
        merge(&mut job, vec![head("a", Status::Succeeded, now - 10)], true, None);
        join(&mut job, vec![row("yesterday", Status::Failed, now - DAY), row("old", Status::Failed, now - 91 * DAY)]);
        let of = |job: &Job| outcomes(job).into_iter().map(|(name, _, old)| (name.to_owned(), old)).collect::<Vec<_>>();
        let expected = [("a".to_owned(), false), ("yesterday".to_owned(), false), ("old".to_owned(), true)];
        assert_eq!(of(&job), expected);
        // It was asked for by its name, and stays when the list comes again.
        let asked = || Run {
            facts: Some(Arc::new(crate::facts::Facts::read(
                job_kind(),
                Status::Failed,
                crate::facts::Texts::default(),
            ))),
            ..Run::new(head("asked", Status::Failed, now - 2 * DAY))
        };
        put(&mut job, asked());
        put(&mut job, asked());
        merge(&mut job, vec![head("b", Status::Succeeded, now - 5)], true, None);
        let names: Vec<String> = of(&job).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "yesterday", "asked", "old"]);
        // With no more than these, what is not listed is forgotten.
        merge(&mut job, vec![head("b", Status::Succeeded, now - 5)], false, None);
        assert_eq!(of(&job)[1..], [("yesterday".to_owned(), true), ("old".to_owned(), true)]);
    }

    fn job_kind() -> Kind {
        Kind::TransformAndUpsert
    }

    #[test]
    fn a_run_in_both_is_one_as_step_functions_has_it() {
        let mut job = job();
        merge(&mut job, vec![head("b", Status::Failed, 20), head("a", Status::Aborted, 10)], false, None);
        join(&mut job, vec![row("b", Status::Failed, 20), row("a", Status::Aborted, 10)]);
        assert_eq!(outcomes(&job), [("b", Outcome::Failed, false), ("a", Outcome::Stopped, false)]);
        // It is forgotten when it is no longer listed, and then known by its row.
        merge(&mut job, vec![head("b", Status::Failed, 20)], false, None);
        assert_eq!(outcomes(&job)[1], ("a", Outcome::Stopped, true));
        join(&mut job, vec![row("a", Status::Aborted, 10)]);
        assert_eq!(outcomes(&job).len(), 2);
    }

    #[test]
    fn a_name_that_is_used_again_is_another_run_and_a_second_row_of_one_says_less() {
        let mut job = job();
        merge(&mut job, vec![head("a", Status::Succeeded, 200 * DAY)], false, None);
        join(&mut job, vec![row("a", Status::Failed, 1)]);
        assert_eq!(outcomes(&job), [("a", Outcome::EndedWell, false), ("a", Outcome::Failed, true)]);
        join(&mut job, vec![row("r", Status::Succeeded, 50), row("r", Status::Failed, 49)]);
        assert_eq!(outcomes(&job)[1], ("r", Outcome::Loaded, true));
        join(&mut job, vec![row("s", Status::Failed, 60), row("s", Status::Succeeded, 61)]);
        assert_eq!(outcomes(&job)[1], ("s", Outcome::Loaded, true));
    }
}

//! The runs of a job, as lists come again and rows of the database are put to them.

use crate::cache::Cache;
use crate::model::{Head, Job, Row, Run, Stack};
use crate::outcome::Status;
use crate::shared::RUNS_READ;
use crate::zone::now;
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

/// Takes over a list of executions; what was read of each stays. Says whether one has ended that had not before.
pub(crate) fn merge(job: &mut Job, heads: Vec<Head>, cache: Option<&Cache>) -> bool {
    let is_first = job.runs.is_none();
    let mut known: HashMap<String, Run> =
        job.runs.take().into_iter().flatten().map(|run| (run.head.arn.clone(), run)).collect();
    let mut has_ended = is_first;
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
                    let kept = cache.read(&run.head.arn);
                    (run.facts, run.story) = (kept.facts.map(Arc::new), kept.story.map(Arc::new));
                }
                run
            }
        })
        .collect();
    // What Step Functions has forgotten, and the database has not; and what it does not list yet.
    let is_new = |run: &Run| run.head.ended.is_none() && now() - run.head.started < LAG;
    let mut forgotten: Vec<Run> = known.into_values().filter(|run| run.row.is_some() || is_new(run)).collect();
    forgotten.iter_mut().for_each(|run| run.is_forgotten = run.row.is_some());
    runs.extend(forgotten);
    runs.sort_by_key(|run| std::cmp::Reverse(run.head.started));
    job.runs = Some(runs);
    has_ended
}

/// Puts rows of `sluice.runs` to the runs that they are of; those of runs that Step Functions has forgotten become runs
/// of their own.
pub(crate) fn join(job: &mut Job, rows: Vec<Row>) {
    let runs = job.runs.get_or_insert_default();
    for row in rows {
        let row = Arc::new(row);
        match runs.iter_mut().find(|run| run.head.arn == row.execution) {
            Some(run) => run.row = Some(row),
            None => {
                let status = match row.status.as_str() {
                    "FAILED" => Status::Failed,
                    "TIMED_OUT" => Status::TimedOut,
                    "ABORTED" => Status::Aborted,
                    _ => Status::Succeeded,
                };
                let name = row.execution.rsplit(':').next().unwrap_or_default().to_owned();
                let (started, ended) = (row.started, Some(row.committed));
                let mut run = Run::new(Head { name, arn: row.execution.clone(), status, started, ended });
                run.is_forgotten = true;
                run.row = Some(row);
                runs.push(run);
            }
        }
    }
    runs.sort_by_key(|run| std::cmp::Reverse(run.head.started));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::tests::of_kind;
    use crate::fold::Story;
    use crate::kind::Kind;
    use crate::model::JobSpec;
    use crate::outcome::Outcome;

    fn head(name: &str, status: Status, started: i64) -> Head {
        let ended = (status != Status::Running).then_some(started + 5);
        Head { name: name.into(), arn: format!("arn:aws:states:x:1:execution:m:{name}"), status, started, ended }
    }

    fn job() -> Job {
        Job {
            name: "j".into(),
            kind: Kind::TransformAndUpsert,
            machine: "arn:aws:states:x:1:stateMachine:m".into(),
            definition: of_kind(Kind::TransformAndUpsert).into(),
            spec: JobSpec::default().into(),
            schedule: None,
            runs: None,
            files: None,
            windows: None,
        }
    }

    #[test]
    fn a_list_keeps_what_was_read_and_says_what_has_ended() {
        let mut job = job();
        assert!(merge(&mut job, vec![head("a", Status::Running, 1)], None), "the first list");
        assert!(!merge(&mut job, vec![head("a", Status::Running, 1)], None));
        job.runs.as_mut().unwrap()[0].story = Some(Arc::new(Story::default()));
        assert!(merge(&mut job, vec![head("b", Status::Running, 2), head("a", Status::Failed, 1)], None));
        let names: Vec<&str> = job.runs.iter().flatten().map(|run| run.head.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert!(job.run("a").unwrap().story.is_some());
    }

    #[test]
    fn a_run_that_was_started_here_stays_while_lists_lag_behind() {
        let mut stack = Stack { jobs: [("j".to_owned(), job())].into(), ..Stack::default() };
        begin(&mut stack, "j", "page-1", Some("arn:aws:states:x:1:execution:m:page-1".into()));
        let job = stack.jobs.get_mut("j").unwrap();
        merge(job, vec![head("a", Status::Succeeded, 1)], None);
        assert!(job.run("page-1").is_some_and(|run| !run.is_forgotten));
        job.runs.as_mut().unwrap()[0].head.started -= 2 * LAG;
        merge(job, vec![head("a", Status::Succeeded, 1)], None);
        assert!(job.run("page-1").is_none());
    }

    #[test]
    fn rows_of_forgotten_runs_are_runs_and_stay_when_the_list_comes_again() {
        let mut job = job();
        merge(&mut job, vec![head("a", Status::Succeeded, 10)], None);
        let row = |name: &str, status: &str, started| Row {
            execution: format!("arn:aws:states:x:1:execution:m:{name}"),
            status: status.into(),
            started,
            committed: started + 3,
            rows_read: 7,
            ..Row::default()
        };
        join(&mut job, vec![row("a", "SUCCEEDED", 10), row("old", "SUCCEEDED", 1), row("bad", "FAILED", 2)]);
        merge(&mut job, vec![head("a", Status::Succeeded, 10)], None);
        let outcomes: Vec<(&str, Outcome, bool)> =
            job.runs.iter().flatten().map(|run| (run.head.name.as_str(), run.outcome(), run.is_forgotten)).collect();
        assert_eq!(
            outcomes,
            [("a", Outcome::EndedWell, false), ("bad", Outcome::Failed, true), ("old", Outcome::Loaded, true)]
        );
        assert_eq!(job.run("old").unwrap().rows(), Some(7));
    }
}

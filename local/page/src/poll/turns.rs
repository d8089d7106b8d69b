//! Whose turn it is. Each view that is open takes its turns, and within it each kind of question, so that a run that
//! is followed, or a job of many, keeps nobody else waiting.

use super::{Poller, Wanted};
use crate::kind::Kind;
use crate::model::{Head, Job, Origin, Run, Stack};
use crate::outcome::Status;
use crate::shared::{Look, RUNS_READ};
use crate::task::Task;
use std::collections::{HashMap, HashSet};

/// When each view, and each kind of question of it, had its last turn. `None` is what belongs to no view.
#[derive(Default)]
pub(super) struct Turns {
    count: u64,
    looks: HashMap<Option<Look>, u64>,
    actions: HashMap<(Option<Look>, &'static str), u64>,
}

impl Turns {
    /// The views in the order of their turns.
    fn order(&self, looks: &[Look]) -> Vec<Option<Look>> {
        let mut order: Vec<Option<Look>> = looks.iter().cloned().map(Some).chain([None]).collect();
        order.sort_by_key(|look| self.looks.get(look).copied().unwrap_or_default());
        order
    }

    /// Of the questions of a view the one whose kind has waited longest.
    fn pick(&self, look: &Option<Look>, tasks: Vec<Task>) -> Option<Task> {
        let last = |task: &Task| self.actions.get(&(look.clone(), task.action())).copied().unwrap_or_default();
        tasks.into_iter().min_by_key(last)
    }

    /// The turn of this view begins. One that has no question, or that the page cannot find a question for, has had
    /// its turn by that, and keeps no other one waiting.
    fn begin(&mut self, look: &Option<Look>) {
        self.count += 1;
        self.looks.insert(look.clone(), self.count);
    }

    /// The turn of this view was taken by this kind of question.
    fn take(&mut self, look: Option<Look>, action: &'static str) {
        self.actions.insert((look, action), self.count);
    }

    /// Forgets the views that are closed.
    fn retain(&mut self, looks: &[Look]) {
        let is_open = |look: &Option<Look>| look.as_ref().is_none_or(|look| looks.contains(look));
        self.looks.retain(|look, _| is_open(look));
        self.actions.retain(|(look, _), _| is_open(look));
    }
}

impl Poller {
    fn is_due(&self, task: &Task, at: i64) -> bool {
        let is_blocked =
            [task.action(), "*"].iter().any(|action| self.blocked.get(action).is_some_and(|until| at < *until));
        !is_blocked && self.due.get(task).is_none_or(|due| at >= *due)
    }

    /// What is asked next.
    pub(super) fn next(&mut self, looks: &[Look], at: i64, wanted: Wanted) -> Option<Task> {
        self.turns.retain(looks);
        let due = |task: Task| Some(task).filter(|task| self.is_due(task, at));
        let stack = self.shared.stack();
        let knows_root = !stack.machine_prefix.is_empty();
        if let Some(task) = due(Task::Root).or_else(|| due(Task::Machines).filter(|_| knows_root)) {
            return Some(task);
        }
        // Without its definition nothing can be said of a job.
        let unread = self.machines.iter().map(|machine| Task::Job(machine.clone()));
        if let Some(task) = unread.filter(|task| !self.due.contains_key(task)).find_map(due) {
            return Some(task);
        }
        for look in self.turns.order(looks) {
            self.turns.begin(&look);
            let tasks = match &look {
                Some(look) => wanted(self, &stack, look, at),
                None => self.of_stack(&stack, at),
            };
            if let Some(task) = self.turns.pick(&look, tasks) {
                drop(stack);
                self.turns.take(look, task.action());
                return Some(task);
            }
        }
        None
    }

    /// The kinds of questions that are asked sooner or later, while these views are open.
    pub(super) fn asked(&self, looks: &[Look]) -> HashSet<&'static str> {
        let stack = self.shared.stack();
        let of_looks = looks.iter().flat_map(|look| self.wanted(&stack, look, i64::MAX));
        let of_stack = [Task::Root, Task::Machines, Task::Job(String::new()), Task::Schedules].into_iter();
        let tasks = of_looks.chain(of_stack).chain(self.of_stack(&stack, i64::MAX));
        tasks.map(|task| task.action()).collect()
    }

    /// What belongs to no view: one question of each kind.
    fn of_stack(&self, stack: &Stack, at: i64) -> Vec<Task> {
        let due = |task: &Task| self.is_due(task, at);
        let mut again = self.machines.iter().map(|machine| Task::Job(machine.clone()));
        let mut schedule = stack.jobs.keys().map(|job| Task::Schedule(job.clone()));
        // A job's schedule is asked for by its name, which the list of them has.
        let schedule = if self.due.contains_key(&Task::Schedules) { schedule.find(due) } else { None };
        [again.find(due), Some(Task::Schedules).filter(due), schedule].into_iter().flatten().collect()
    }

    /// What a view wants to know: one question of each kind, those that its reader waits for first.
    pub(super) fn wanted(&self, stack: &Stack, look: &Look, at: i64) -> Vec<Task> {
        let due = |task: Task| Some(task).filter(|task| self.is_due(task, at));
        let Some(name) = look.job() else {
            let jobs: Vec<&Job> = stack.jobs.values().collect();
            if let Some(task) = self.list(jobs.iter().copied().filter(|job| job.runs.is_none()), at) {
                return vec![task];
            }
            let running = jobs.iter().filter(|job| job.kind.has_windows()).find_map(|job| {
                let run = job.runs.iter().flatten().find(|run| run.head.status == Status::Running)?;
                due(Task::History(job.name.clone(), run.head.name.clone()))
            });
            let list = self.list(jobs.iter().copied(), at);
            return [self.unread_run(&jobs, at), list, self.rows(at), running].into_iter().flatten().collect();
        };
        let Some(job) = stack.jobs.get(name) else { return Vec::new() };
        let list = self.list([job].into_iter(), at);
        if job.runs.is_none() {
            return list.into_iter().collect();
        }
        let of_job = |task: fn(String) -> Task| due(task(name.to_owned()));
        let tasks = match look {
            Look::Jobs => Vec::new(),
            Look::Job(_) => {
                let has_windows = job.kind == Kind::CopyTable && self.source.has_database();
                let windows = if has_windows { of_job(Task::Windows) } else { None };
                let has_records = Origin::of(job.kind) == Origin::Document;
                let records = if has_records { of_job(Task::Records) } else { None };
                let (told, defined) = (self.untold_run(job, at), self.undefined_run(job, at));
                let unread = self.unread_run(&[job], at);
                // What outputs of runs tell is not read again from records, so these come after them.
                let has_days = job.kind == Kind::MysqlToRedshift && !job.spec.windows.is_null() && unread.is_none();
                let days = if has_days { of_job(Task::WindowRecords) } else { None };
                vec![unread, told, windows, self.rows(at), records, days, defined]
            }
            Look::Run(_, run) => match job.run(run) {
                Some(run) => self.of_run(job, run, at),
                None if job.is_cut && !job.missing.contains(run) => vec![due(Task::Find(name.to_owned(), run.clone()))],
                None => vec![self.rows(at)],
            },
            Look::Files(_) if job.spec.prefix.is_empty() => Vec::new(),
            Look::Files(_) => {
                let shelf = self.shelves.get(name);
                let has = |next: bool, task: fn(String) -> Task| if next { of_job(task) } else { None };
                vec![
                    of_job(Task::Files),
                    of_job(Task::Ledger),
                    of_job(Task::Quarantine),
                    has(shelf.is_some_and(|shelf| shelf.next_entry().is_some()), Task::Entries),
                    has(shelf.is_some_and(|shelf| shelf.next_quarantined().is_some()), Task::Quarantined),
                    self.unread_run(&[job], at).filter(|_| crate::runs::watermark(job).is_none()),
                ]
            }
        };
        tasks.into_iter().chain([list]).flatten().collect()
    }

    /// The list that has waited longest.
    fn list<'a>(&self, jobs: impl Iterator<Item = &'a Job>, at: i64) -> Option<Task> {
        let tasks = jobs.map(|job| Task::List(job.name.clone())).filter(|task| self.is_due(task, at));
        tasks.min_by_key(|task| self.due.get(task).copied().unwrap_or_default())
    }

    fn rows(&self, at: i64) -> Option<Task> {
        let is_wanted = self.source.has_database() && self.ended_since_rows;
        Some(Task::Rows).filter(|task| is_wanted && self.is_due(task, at))
    }

    /// What is still to be asked of a run that somebody looks at.
    fn of_run(&self, job: &Job, run: &Run, at: i64) -> Vec<Option<Task>> {
        if run.is_forgotten {
            return Vec::new();
        }
        let (name, of) = (&run.head.name, &job.name);
        let due = |task: Task| Some(task).filter(|task| self.is_due(task, at));
        let is_shown = run.facts.as_ref().is_some_and(|facts| facts.input.is_some() || facts.output.is_some());
        let is_running = run.head.status == Status::Running;
        let is_undescribed = run.facts.is_none() || (!is_shown && !self.looked_up.contains(&run.head.arn));
        let describe = if is_undescribed { due(Task::Describe(of.clone(), name.clone())) } else { None };
        let is_told = run.story.as_ref().is_some_and(|story| story.ended.is_some());
        let history = if !is_told || is_running { due(Task::History(of.clone(), name.clone())) } else { None };
        let has_lines = run.lines.as_ref().is_some_and(|lines| lines.is_complete) && !is_running;
        let mut functions = job.kind.functions().iter().filter(|function| !self.is_read(&run.head, function));
        let lines = functions.find_map(|function| due(Task::Lines(of.clone(), name.clone(), function)));
        let lines = lines.filter(|_| !has_lines);
        let others = if describe.is_none() { self.unread_run(&[job], at) } else { None };
        // Of one that failed it is said what has changed since the last good one.
        let good = if run.outcome().is_bad() { job.last_good(run) } else { None };
        let mut undefined = [Some(run), good].into_iter().flatten().filter(|run| run.revision.is_none());
        let defined = undefined.find_map(|run| due(Task::Definition(of.clone(), run.head.name.clone())));
        vec![describe, history, defined, lines, others]
    }

    /// Whether all lines of a function were read, of a run that has ended.
    fn is_read(&self, head: &Head, function: &&'static str) -> bool {
        let reading = self.readings.get(&head.arn);
        head.ended.is_some()
            && reading.and_then(|reading| reading.functions.get(function)).is_some_and(|walk| walk.is_done)
    }

    /// The newest ended run of which no description was read, over some jobs.
    fn unread_run(&self, jobs: &[&Job], at: i64) -> Option<Task> {
        let unread = |job: &&Job| {
            let mut runs = job.runs.iter().flatten().take(RUNS_READ).enumerate();
            let (place, run) =
                runs.find(|(_, run)| run.head.ended.is_some() && run.facts.is_none() && !run.is_forgotten)?;
            let task = Task::Describe(job.name.clone(), run.head.name.clone());
            self.is_due(&task, at).then_some((place, task))
        };
        jobs.iter().filter_map(unread).min_by_key(|(place, _)| *place).map(|(_, task)| task)
    }

    /// The newest run of a job of which it is not known which states the job had then. Once the newest one of them is
    /// asked for, all of the same revision are known.
    fn undefined_run(&self, job: &Job, at: i64) -> Option<Task> {
        let runs = job.runs.iter().flatten().take(RUNS_READ);
        let is_known = |run: &&Run| run.revision.is_some() || run.is_revision_lost;
        let mut undefined = runs.filter(|run| !is_known(run) && !run.is_forgotten && run.story.is_some());
        let task = undefined.next().map(|run| Task::Definition(job.name.clone(), run.head.name.clone()));
        task.filter(|task| self.is_due(task, at))
    }

    /// The newest run of a job of which no history was read.
    fn untold_run(&self, job: &Job, at: i64) -> Option<Task> {
        let runs = job.runs.iter().flatten().take(RUNS_READ).filter(|run| !run.is_forgotten);
        let untold =
            runs.filter(|run| run.head.ended.is_none() || run.story.as_ref().is_none_or(|story| story.ended.is_none()));
        let mut tasks = untold.map(|run| Task::History(job.name.clone(), run.head.name.clone()));
        tasks.find(|task| self.is_due(task, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::{Pace, Tokens};
    use crate::shared::{MISTAKE, Shared};
    use crate::source::Source;
    use std::sync::Arc;
    use std::time::Duration;

    /// Cannot say what a run wants to know; all others want to know of a run that is not listed.
    fn failing(_: &Poller, _: &Stack, look: &Look, _: i64) -> Vec<Task> {
        match look {
            Look::Run(..) => panic!("secret-cell"),
            _ => vec![Task::Find("j".into(), "r".into())],
        }
    }

    #[tokio::test]
    async fn a_view_that_the_page_fails_in_ends_neither_the_poller_nor_other_views() {
        let job = crate::runs::tests::job();
        let stack = Stack { jobs: [("j".to_owned(), job)].into(), ..Stack::default() };
        let shared = Arc::new(Shared::new(stack));
        for look in [Look::Run("j".into(), "r".into()), Look::Jobs] {
            shared.look(look);
        }
        // Nobody is asked: there are neither credentials nor a region.
        let config = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let poller = Poller::new(shared.clone(), Source::new(&config, None).unwrap(), Tokens::new(Pace::none()), None);
        let mut changes = shared.changes();
        let going = tokio::spawn(poller.run_by(failing));
        let again = |action: &str| shared.stack().notices.get(action).map(|notice| notice.again);
        let told = async {
            while again(MISTAKE).is_none() {
                changes.changed().await.unwrap();
            }
            // The other view is asked for behind that, too.
            let before = again("states:DescribeExecution");
            while again("states:DescribeExecution") == before {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), told).await.unwrap();
        assert!(!going.is_finished());
        going.abort();
        assert!(!format!("{:?}", shared.stack().notices).contains("secret-cell"));
    }

    /// Whose turn it was, over some turns in which every view always has questions.
    fn turns(looks: &[Look], questions: impl Fn(&Look) -> Vec<Task>, count: usize) -> Vec<Task> {
        let mut turns = Turns::default();
        let one = |_| {
            turns.retain(looks);
            let (look, task) = turns.order(looks).into_iter().find_map(|look| {
                turns.begin(&look);
                let tasks = look.as_ref().map(&questions).unwrap_or_default();
                turns.pick(&look, tasks).map(|task| (look, task))
            })?;
            turns.take(look, task.action());
            Some(task)
        };
        (0..count).filter_map(one).collect()
    }

    /// Two runs that are followed always have something to ask; the others have their turns all the same.
    #[test]
    fn no_view_and_no_kind_of_question_waits_for_ever() {
        let run = |name: &str| Look::Run("j".into(), name.into());
        let looks = [run("a"), run("b"), Look::Jobs, Look::Files("j".into())];
        let questions = |look: &Look| match look {
            Look::Run(job, run) => vec![
                Task::Describe(job.clone(), run.clone()),
                Task::History(job.clone(), run.clone()),
                Task::Lines(job.clone(), run.clone(), "pivot"),
                Task::List(job.clone()),
            ],
            Look::Jobs => (0..60).map(|job| Task::List(job.to_string())).chain([Task::Rows]).collect(),
            _ => vec![Task::Files("j".into()), Task::Entries("j".into())],
        };
        let asked = turns(&looks, questions, 32);
        let count = |is: &dyn Fn(&Task) -> bool| asked.iter().filter(|task| is(task)).count();
        for name in ["a", "b"] {
            assert_eq!(count(&|task| matches!(task, Task::Lines(_, run, _) if run == name)), 2, "{asked:?}");
            assert_eq!(count(&|task| matches!(task, Task::History(_, run) if run == name)), 2, "{asked:?}");
        }
        assert_eq!(count(&|task| *task == Task::Rows), 4, "{asked:?}");
        assert_eq!(count(&|task| matches!(task, Task::Files(_))), 4, "{asked:?}");
        assert_eq!(count(&|task| matches!(task, Task::Entries(_))), 4, "{asked:?}");
    }
}

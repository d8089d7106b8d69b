//! What each task asks AWS and the database for, and where the answer goes. Each says how soon it may be asked again.

use super::Poller;
use crate::cache::Kept;
use crate::database::MOST_RUNS;
use crate::kind::Kind;
use crate::log;
use crate::model::{Head, Revision, Row, Run};
use crate::records;
use crate::runs::{join, merge, put};
use crate::schedule::{self, Schedule};
use crate::task::Task;
use crate::trouble::{Answer, Trouble};
use crate::zone::now;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of how many runs the lines are kept, some 10 MB each at most.
const LINES_KEPT: usize = 4;

impl Poller {
    pub(super) async fn ask_root(&mut self) -> Answer<i64> {
        let name = self.shared.stack().name.clone();
        let root = self.source.root(&name).await?;
        // Once: what cannot be made is told once.
        if let Some(caches) = self.caches.take() {
            self.cache = caches.open(root.machine_prefix.split(':').nth(4).unwrap_or_default());
        }
        self.shared.change(|stack| {
            stack.bucket = root.bucket;
            stack.machine_prefix = root.machine_prefix;
            stack.runs_on_upload = root.runs_on_upload;
            stack.deployed_at = root.deployed_at;
        });
        Ok(if self.shared.stack().is_account { 300_000 } else { 10_000 })
    }

    pub(super) async fn ask_machines(&mut self) -> Answer<i64> {
        let prefix = self.shared.stack().machine_prefix.clone();
        self.machines = self.source.machines(&prefix, &self.tokens).await?;
        let machines = &self.machines;
        self.shared.change(|stack| {
            stack.jobs.retain(|_, job| machines.contains(&job.machine));
            stack.is_read = stack.is_read || machines.is_empty();
        });
        Ok(300_000)
    }

    pub(super) async fn ask_job(&mut self, machine: &str) -> Answer<i64> {
        let prefix = self.shared.stack().machine_prefix.clone();
        let found = self.source.job(machine, &prefix).await?;
        let is_last = self.machines.last().is_some_and(|last| last == machine);
        self.shared.change(|stack| {
            if let Some(job) = found {
                match stack.jobs.get_mut(&job.name) {
                    Some(known) => (known.definition, known.spec) = (job.definition, job.spec),
                    None => {
                        stack.jobs.insert(job.name.clone(), job);
                    }
                }
            }
            stack.is_read = stack.is_read || is_last;
        });
        // Many jobs do not take all of the calls.
        let jobs = i64::try_from(self.machines.len()).unwrap_or(1);
        Ok((jobs * 5_000).max(60_000))
    }

    pub(super) async fn ask_schedule(&mut self, job: &str) -> Answer<i64> {
        let (group, machine) = {
            let stack = self.shared.stack();
            (stack.name.clone(), stack.jobs.get(job).map(|job| job.machine.clone()).unwrap_or_default())
        };
        let schedule = match self.schedules.get(&machine) {
            Some(name) => self.source.schedule(&group, name).await?,
            None => Schedule::None,
        };
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(job) {
                job.schedule = Some(schedule);
            }
        });
        Ok(300_000)
    }

    pub(super) async fn ask_list(&mut self, name: &str) -> Answer<i64> {
        let Some(machine) = self.shared.stack().jobs.get(name).map(|job| job.machine.clone()) else { return Ok(0) };
        let (heads, is_cut) = self.source.executions(&machine).await?;
        let jobs = i64::try_from(self.shared.stack().jobs.len()).unwrap_or(1);
        let is_running = heads.iter().any(|head| head.ended.is_none());
        let mut has_ended = false;
        let cache = self.cache.clone();
        self.shared.change(|stack| {
            let Some(job) = stack.jobs.get_mut(name) else { return };
            has_ended = merge(job, heads, is_cut, cache.as_ref());
        });
        self.ended_since_rows |= has_ended;
        if has_ended {
            self.due.remove(&Task::Windows(name.to_owned()));
        }
        // On an account lists take half of the calls, so that what is read only once comes too.
        let pause = if is_running { jobs * 1_000 } else { jobs * 2_000 };
        Ok(self.fresh_for(pause.max(2_000)))
    }

    fn head(&self, job: &str, run: &str) -> Option<(Head, Kind)> {
        let stack = self.shared.stack();
        let job = stack.jobs.get(job)?;
        Some((job.run(run)?.head.clone(), job.kind))
    }

    pub(super) fn change_run(&self, job: &str, run: &str, change: impl FnOnce(&mut Run)) {
        self.shared.change(|stack| {
            let runs = stack.jobs.get_mut(job).and_then(|job| job.runs.as_mut());
            if let Some(run) = runs.into_iter().flatten().find(|known| known.head.name == run) {
                change(run);
            }
        });
    }

    pub(super) async fn ask_facts(&mut self, job: &str, run: &str) -> Answer<i64> {
        let Some((head, kind)) = self.head(job, run) else { return Ok(60_000) };
        let facts = Arc::new(self.source.facts(kind, &head.arn).await?.1);
        self.looked_up.insert(head.arn.clone());
        self.change_run(job, run, |run| run.facts = Some(facts));
        self.keep(job, run);
        Ok(if head.ended.is_some() { 60_000 } else { self.fresh_for(10_000) })
    }

    /// A run that somebody asks for, and that is not among those that are listed.
    pub(super) async fn ask_for_run(&mut self, name: &str, run: &str) -> Answer<i64> {
        let found = self.shared.stack().jobs.get(name).map(|job| (job.kind, job.execution(run)));
        let Some((kind, arn)) = found else { return Ok(60_000) };
        let (head, facts) = self.source.facts(kind, &arn).await?;
        self.looked_up.insert(arn);
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(name) {
                put(job, Run { facts: Some(Arc::new(facts)), ..Run::new(head) });
            }
        });
        Ok(60_000)
    }

    /// The states as they were when a run ran; those of other runs by the same definition are the same. The engine of
    /// this machine says of all runs what is deployed now: that is what a run ran with if nothing was deployed since it
    /// began.
    pub(super) async fn ask_definition(&mut self, name: &str, run: &str) -> Answer<i64> {
        let Some((head, _)) = self.head(name, run) else { return Ok(60_000) };
        let (text, updated) = self.source.definition(&head.arn).await?;
        let (is_account, deployed_at) = {
            let stack = self.shared.stack();
            (stack.is_account, stack.deployed_at)
        };
        let is_its_own = is_account || deployed_at.is_some_and(|at| at <= head.started);
        let Some(revision) = Revision::read(&text).filter(|_| is_its_own) else {
            self.change_run(name, run, |run| run.is_revision_lost = true);
            return Ok(i64::MAX / 2);
        };
        if let Some(cache) = &self.cache {
            cache.write_definition(&text);
        }
        let since = if is_account { updated } else { updated.max(deployed_at.unwrap_or_default()) };
        let mut others = Vec::new();
        self.shared.change(|stack| {
            let runs = stack.jobs.get_mut(name).and_then(|job| job.runs.as_mut());
            for run in runs.into_iter().flatten().filter(|run| run.revision.is_none() && !run.is_forgotten) {
                if run.head.arn == head.arn || (since..=head.started).contains(&run.head.started) {
                    run.revision = Some(revision.clone());
                    others.push(run.head.name.clone());
                }
            }
        });
        others.iter().for_each(|run| self.keep(name, run));
        Ok(60_000)
    }

    pub(super) async fn ask_history(&mut self, job: &str, run: &str) -> Answer<i64> {
        let Some((head, _)) = self.head(job, run) else { return Ok(60_000) };
        let (mut story, token) = self.stories.remove(&head.arn).unwrap_or_default();
        // A history is long, and its first pages never change: the token of the last page is asked again.
        let page = match self.source.history(&head.arn, token.clone()).await {
            Ok(page) => page,
            Err(trouble) => {
                self.stories.insert(head.arn, (story, token));
                return Err(trouble);
            }
        };
        for event in &page.events {
            story.add(event);
        }
        let has_more = page.next.is_some();
        let is_over = story.ended.is_some();
        let shown = Arc::new(story.clone());
        self.change_run(job, run, |run| run.story = Some(shown));
        if is_over {
            self.keep(job, run);
            self.due.remove(&Task::List(job.to_owned()));
            return Ok(60_000);
        }
        self.stories.insert(head.arn, (story, page.next.or(token)));
        Ok(if has_more { 0 } else { self.fresh_for(2_000) })
    }

    /// Keeps what was read of a run that has ended.
    fn keep(&self, job: &str, run: &str) {
        let Some(cache) = &self.cache else { return };
        let stack = self.shared.stack();
        let Some(run) = stack.jobs.get(job).and_then(|job| job.run(run)).filter(|run| run.head.ended.is_some()) else {
            return;
        };
        let story = run.story.as_deref().filter(|story| story.ended.is_some()).cloned();
        let revision = run.revision.as_ref().map(|revision| revision.digest.clone());
        cache.write(&run.head, &Kept { facts: run.facts.as_deref().cloned(), story, revision });
    }

    pub(super) async fn ask_lines(&mut self, job: &str, run: &str, function: &'static str) -> Answer<i64> {
        let Some((head, kind)) = self.head(job, run) else { return Ok(60_000) };
        let stack = self.shared.stack().name.clone();
        let reading = self.readings.entry(head.arn.clone()).or_default();
        let walk = reading.functions.entry(function).or_default();
        let (token, window) = match walk.next.clone() {
            Some((token, window)) => (Some(token), window),
            None => {
                // A line may come late, so some are read twice; they are known by their ids.
                let from = walk.complete_to.map_or(i64::MIN, |newest| newest - 10_000).max(head.started - 1_000);
                (None, (from, head.ended.unwrap_or_else(now) + 60_000))
            }
        };
        let page = self.source.lines(&stack, job, function, window, token).await?;
        let is_done = page.next.is_none();
        let reading = self.readings.entry(head.arn.clone()).or_default();
        let walk = reading.functions.entry(function).or_default();
        walk.newest = page.events.iter().map(|event| event.at).max().max(walk.newest);
        walk.next = page.next.map(|token| (token, window));
        if is_done {
            walk.complete_to = walk.newest;
        }
        // Lines may still come for a while after the end.
        walk.is_done = is_done && head.ended.is_some_and(|ended| now() - ended > 3_000);
        reading.events.extend(page.events);
        reading.is_cut |= log::prune(&mut reading.events, &head.arn);
        let mut lines = log::lines(&reading.events, &head.arn);
        lines.is_cut |= reading.is_cut;
        let functions = kind.functions();
        lines.is_complete = head.ended.is_some()
            && functions.iter().all(|function| reading.functions.get(function).is_some_and(|walk| walk.is_done));
        if lines.is_complete {
            self.readings.remove(&head.arn);
        }
        let lines = Arc::new(lines);
        self.change_run(job, run, |run| run.lines = Some(lines));
        self.forget_lines(job, run);
        let functions = i64::try_from(functions.len()).unwrap_or(1);
        Ok(if is_done { self.fresh_for(2_000 * functions).max(1_000) } else { 0 })
    }

    /// Forgets the lines of the runs that were looked at longest ago: some are kept for who comes back.
    fn forget_lines(&mut self, job: &str, run: &str) {
        let viewed = (job.to_owned(), run.to_owned());
        self.viewed.retain(|known| *known != viewed);
        self.viewed.push_back(viewed);
        let looks = self.shared.open(now());
        while self.viewed.len() > LINES_KEPT.max(looks.len()) {
            let Some((job, run)) = self.viewed.pop_front() else { return };
            if let Some((head, _)) = self.head(&job, &run) {
                self.readings.remove(&head.arn);
            }
            self.change_run(&job, &run, |run| run.lines = None);
        }
    }

    /// The next question begins at the first page, if this one was for another one; what was read stays, and is known
    /// when it comes again.
    pub(super) fn forget_token(&mut self, task: &Task) -> bool {
        let (Task::Lines(job, run, _) | Task::History(job, run)) = task else { return false };
        let Some((head, _)) = self.head(job, run) else { return false };
        match task {
            Task::Lines(_, _, function) => {
                let walk = self.readings.get_mut(&head.arn).and_then(|reading| reading.functions.get_mut(function));
                walk.is_some_and(|walk| walk.next.take().is_some())
            }
            _ => self.stories.get_mut(&head.arn).is_some_and(|(_, token)| token.take().is_some()),
        }
    }

    pub(super) async fn ask_rows(&mut self) -> Answer<i64> {
        let jobs: Vec<String> = self.shared.stack().jobs.keys().cloned().collect();
        let rows = self.source.rows(&jobs).await?;
        self.ended_since_rows = false;
        self.shared.change(|stack| {
            let mut by_job: BTreeMap<String, Vec<Row>> = BTreeMap::new();
            for (job, row) in rows {
                by_job.entry(job).or_default().push(row);
            }
            for job in stack.jobs.values_mut() {
                let mut rows = by_job.remove(&job.name).unwrap_or_default();
                job.is_history_cut = rows.len() > MOST_RUNS;
                rows.truncate(MOST_RUNS);
                // A stack of the same name on another account may have loaded the same table.
                let machine = job.machine.rsplit(':').next();
                rows.retain(|row| row.execution.split(':').nth(6) == machine);
                join(job, rows);
            }
        });
        Ok(1_000)
    }

    pub(super) async fn ask_records(&mut self, name: &str) -> Answer<i64> {
        let (bucket, job) = {
            let stack = self.shared.stack();
            (stack.bucket.clone(), stack.jobs.get(name).cloned())
        };
        let Some(job) = job else { return Ok(60_000) };
        let Some(unread) = self.older.get(name) else {
            if let Some(unread) = self.source.records(&bucket, &job).await? {
                self.older.insert(name.to_owned(), unread);
            }
            return Ok(0);
        };
        let count = unread.len().min(self.at_once());
        let mut rows = Vec::new();
        for (place, (execution, object)) in unread[..count].iter().enumerate() {
            if place > 0 {
                self.tokens.take().await;
            }
            match self.source.object(&bucket, &object.key).await {
                // Somebody has deleted it since it was listed.
                Err(Trouble::Missing) => {}
                answer => {
                    let text = answer?;
                    rows.push(records::row(job.kind, execution.clone(), object, &String::from_utf8_lossy(&text)));
                }
            }
        }
        let has_more = count < unread.len();
        if has_more {
            self.older.entry(name.to_owned()).and_modify(|unread| drop(unread.drain(..count)));
        } else {
            self.older.remove(name);
        }
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(name) {
                join(job, rows);
            }
        });
        // What is new is listed by Step Functions for 90 days.
        Ok(if has_more { 0 } else { 3_600_000 })
    }

    pub(super) async fn ask_windows(&mut self, name: &str) -> Answer<i64> {
        let zone = {
            let stack = self.shared.stack();
            schedule::zone_of(stack.jobs.get(name).and_then(|job| job.spec.zone()))
        };
        let windows = self.source.windows(name, &zone).await?;
        let windows = Arc::new(windows);
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(name) {
                job.windows = Some(windows);
            }
        });
        // On an account only after the end of a run: a question keeps a database that pauses by itself awake.
        Ok(if self.shared.stack().is_account { i64::MAX / 2 } else { 1_000 })
    }
}

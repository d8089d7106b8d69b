//! What each task asks AWS and the database for, and where the answer goes. Each says how soon it may be asked again.

use super::Poller;
use crate::cache::Kept;
use crate::kind::Kind;
use crate::log::{self, LogEvent};
use crate::model::{Head, RanWith, Row, Run};
use crate::runs::{join, merge};
use crate::schedule::Schedule;
use crate::task::Task;
use crate::trouble::Answer;
use crate::zone::now;
use sluice::digest;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

impl Poller {
    pub(super) async fn ask_root(&mut self) -> Answer<i64> {
        let name = self.shared.stack().name.clone();
        let root = self.source.root(&name).await?;
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
        self.machines = self.source.machines(&prefix).await?;
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
        Ok(60_000)
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
        let heads = self.source.executions(&machine).await?;
        let jobs = i64::try_from(self.shared.stack().jobs.len()).unwrap_or(1);
        let is_running = heads.iter().any(|head| head.ended.is_none());
        let mut has_ended = false;
        let cache = self.cache.clone();
        self.shared.change(|stack| {
            let Some(job) = stack.jobs.get_mut(name) else { return };
            has_ended = merge(job, heads, cache.as_ref());
        });
        self.ended_since_rows |= has_ended;
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
        let facts = Arc::new(self.source.facts(kind, &head.arn).await?);
        self.looked_up.insert(head.arn.clone());
        self.change_run(job, run, |run| run.facts = Some(facts));
        self.keep(job, run);
        Ok(if head.ended.is_some() { 60_000 } else { self.fresh_for(10_000) })
    }

    pub(super) async fn ask_history(&mut self, job: &str, run: &str) -> Answer<i64> {
        let Some((head, _)) = self.head(job, run) else { return Ok(60_000) };
        let (mut story, token) = self.stories.remove(&head.arn).unwrap_or_default();
        // A history is long, and its first pages never change: the token of the last page is asked again.
        let page = self.source.history(&head.arn, token.clone()).await?;
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
        cache.write(&run.head.arn, &Kept { facts: run.facts.as_deref().cloned(), story });
    }

    /// What a run ran with. The engine of this machine says of all runs what is deployed now: that is what a run ran
    /// with if nothing was deployed since it began.
    pub(super) async fn ask_ran_with(&mut self, job: &str, run: &str) -> Answer<i64> {
        let Some((head, _)) = self.head(job, run) else { return Ok(60_000) };
        let text = self.source.ran_with(&head.arn).await?;
        let is_its_own = {
            let stack = self.shared.stack();
            stack.is_account || stack.deployed_at.is_some_and(|at| at <= head.started)
        };
        let definition = text.filter(|_| is_its_own).and_then(|text| {
            let known = self.definitions.entry(digest::of([&text]));
            match known {
                Entry::Occupied(known) => Some(known.get().clone()),
                Entry::Vacant(place) => Some(place.insert(Arc::new(serde_json::from_str(&text).ok()?)).clone()),
            }
        });
        let ran_with = definition.map_or(RanWith::Unknown, RanWith::Definition);
        self.change_run(job, run, |run| run.ran_with = Some(ran_with));
        Ok(60_000)
    }

    pub(super) async fn ask_lines(&mut self, job: &str, run: &str, function: &'static str) -> Answer<i64> {
        let Some((head, kind)) = self.head(job, run) else { return Ok(60_000) };
        let stack = self.shared.stack().name.clone();
        let reading = self.readings.entry(head.arn.clone()).or_default();
        let token = reading.functions.get(function).and_then(|(token, _)| token.clone());
        // A line may come late, so some are read twice; they are known by their ids.
        let newest = reading.newest.get(function).map_or(head.started - 1_000, |newest| newest - 10_000);
        let window = (newest.max(head.started - 1_000), head.ended.unwrap_or_else(now) + 60_000);
        let page = self.source.lines(&stack, job, function, window, token).await?;
        let is_done = page.next.is_none();
        let reading = self.readings.entry(head.arn.clone()).or_default();
        if is_done {
            let newest = page.events.iter().map(|event| event.at).max();
            let known = reading.newest.entry(function).or_insert(head.started);
            *known = newest.unwrap_or(*known).max(*known);
        }
        // Lines may still come for a while after the end.
        let is_settled = head.ended.is_some_and(|ended| now() - ended > 3_000);
        reading.functions.insert(function, (page.next, is_done && is_settled));
        reading.events.extend(page.events);
        dedup(&mut reading.events);
        let mut lines = log::lines(&reading.events, &head.arn);
        let functions = kind.functions();
        lines.is_complete = head.ended.is_some()
            && functions.iter().all(|function| reading.functions.get(function).is_some_and(|(_, is_done)| *is_done));
        if lines.is_complete {
            self.readings.remove(&head.arn);
        }
        let lines = Arc::new(lines);
        self.change_run(job, run, |run| run.lines = Some(lines));
        let functions = i64::try_from(functions.len()).unwrap_or(1);
        Ok(if is_done { self.fresh_for(2_000 * functions).max(1_000) } else { 0 })
    }

    pub(super) async fn ask_files(&mut self, name: &str) -> Answer<i64> {
        let (bucket, job) = {
            let stack = self.shared.stack();
            (stack.bucket.clone(), stack.jobs.get(name).cloned())
        };
        let Some(job) = job else { return Ok(60_000) };
        let pace = &mut self.pace;
        let wait = async || pace.token().await;
        let files = Arc::new(self.source.files(&bucket, &job, now(), wait).await?);
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(name) {
                job.files = Some(files);
            }
        });
        Ok(if self.shared.stack().is_account { 30_000 } else { 2_000 })
    }

    pub(super) async fn ask_rows(&mut self) -> Answer<i64> {
        let jobs: Vec<String> = self.shared.stack().jobs.keys().cloned().collect();
        let rows = self.source.rows(&jobs).await?;
        self.ended_since_rows = false;
        self.shared.change(|stack| {
            let mut by_machine: BTreeMap<String, Vec<Row>> = BTreeMap::new();
            for row in rows {
                let machine = row.execution.split(':').nth(6).unwrap_or_default().to_owned();
                by_machine.entry(machine).or_default().push(row);
            }
            for job in stack.jobs.values_mut() {
                let machine = job.machine.rsplit(':').next().unwrap_or_default();
                join(job, by_machine.remove(machine).unwrap_or_default());
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
        let pace = &mut self.pace;
        let wait = async || pace.token().await;
        let (rows, has_more) = self.source.records(&bucket, &job, wait).await?;
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(name) {
                join(job, rows);
            }
        });
        // What is new is listed by Step Functions for 90 days.
        Ok(if has_more { 0 } else { 3_600_000 })
    }

    pub(super) async fn ask_windows(&mut self, name: &str) -> Answer<i64> {
        let windows = self.source.windows(name, (i64::MIN / 4_000_000, now() + 366 * 86_400_000)).await?;
        let windows = Arc::new(windows);
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(name) {
                job.windows = Some(windows);
            }
        });
        Ok(if self.shared.stack().is_account { 10_000 } else { 1_000 })
    }
}

fn dedup(events: &mut Vec<LogEvent>) {
    let is_first: Vec<bool> = {
        let mut seen = HashSet::new();
        events.iter().map(|event| seen.insert(event.identity())).collect()
    };
    let mut is_first = is_first.into_iter();
    events.retain(|_| is_first.next() == Some(true));
}

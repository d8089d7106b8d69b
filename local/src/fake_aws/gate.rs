//! A gate before the services: a function's requests about lock, mark and executions pass one at a time, when the
//! test says so.

use super::http::{Body, Request, Response};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What the requests through a gate do.
#[derive(Default)]
struct State {
    /// One waits to be let in.
    is_waiting: bool,
    /// The one that waits is a conditional write of the lock.
    is_conditional: bool,
    is_let_in: bool,
    /// All pass.
    is_open: bool,
    /// The answer to the request that is let in next gets lost.
    is_cut: bool,
    passed: usize,
    /// Of all answers so far: with the number of requests, it says what the function knows.
    seen: u64,
    /// The function's answer has come.
    is_done: bool,
}

/// Lets requests pass when it is told to.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, until: impl Fn(&State) -> bool) -> MutexGuard<'a, State> {
        self.changed.wait_while(state, |state| !until(state)).unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a request on to `answer`: at once if it is about something else, else when it is let in. If its answer
    /// gets lost, it is sent again, as clients do, and waits once more.
    pub fn pass(&self, request: &Request, answer: impl Fn() -> Response) -> Response {
        let target = request.header("x-amz-target").unwrap_or_default();
        let is_about_executions = ["StartExecution", "DescribeExecution"].iter().any(|name| target.ends_with(name));
        let is_about_keys = ["lock.json", "again.json"].iter().any(|name| request.path.ends_with(name));
        if !is_about_executions && !is_about_keys {
            return answer();
        }
        let mut state = self.state();
        loop {
            state.is_waiting = true;
            state.is_conditional = request.method == "PUT" && request.path.ends_with("lock.json");
            self.changed.notify_all();
            state = self.wait(state, |state| state.is_let_in || state.is_open);
            (state.is_waiting, state.is_let_in) = (false, false);
            let answer = answer();
            state.passed += 1;
            self.changed.notify_all();
            if std::mem::take(&mut state.is_cut) {
                continue;
            }
            let mut hasher = DefaultHasher::new();
            // The documents that pass here are in memory.
            let body = if let Body::Bytes(body) = &answer.body { body.as_slice() } else { &[] };
            (state.seen, answer.status, body).hash(&mut hasher);
            state.seen = hasher.finish();
            return answer;
        }
    }

    /// Closes it for another invocation.
    pub fn close(&self) {
        *self.state() = State::default();
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.state().is_open = true;
        self.changed.notify_all();
    }

    /// The invocation has ended.
    pub fn done(&self) {
        self.state().is_done = true;
        self.changed.notify_all();
    }

    /// Waits until a request waits or the invocation has ended; says whether it has.
    pub fn settle(&self) -> bool {
        self.wait(self.state(), |state| state.is_waiting || state.is_done).is_done
    }

    /// Lets the waiting request in, and waits for what comes next.
    pub fn step(&self) {
        let mut state = self.state();
        let passed = state.passed;
        state.is_let_in = true;
        self.changed.notify_all();
        drop(self.wait(state, |state| state.passed > passed));
        self.settle();
    }

    /// Lets the waiting request in, but its answer gets lost.
    pub fn step_and_lose(&self) {
        self.state().is_cut = true;
        self.step();
    }

    /// Whether the waiting request is one that is refused when it is sent twice.
    pub fn waits_to_write(&self) -> bool {
        let state = self.state();
        state.is_waiting && state.is_conditional
    }

    /// What the function has asked for and heard.
    pub fn knowledge(&self) -> (usize, u64, bool) {
        let state = self.state();
        (state.passed, state.seen, state.is_done)
    }
}

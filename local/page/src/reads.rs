//! When what a view shows was read: a view is as old as the oldest of its questions that is not answered now.

use crate::look::Look;
use std::collections::{BTreeMap, HashMap};

/// When each kind of question was answered last, by the views that are open, in milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    of_looks: HashMap<Look, BTreeMap<&'static str, i64>>,
    all: BTreeMap<&'static str, i64>,
}

impl Reads {
    /// A question of this kind was answered, for these views.
    pub(crate) fn took(&mut self, action: &'static str, looks: &[Look], at: i64) {
        self.all.insert(action, at);
        for look in looks {
            self.of_looks.entry(look.clone()).or_default().insert(action, at);
        }
    }

    /// Forgets the views that are closed.
    pub(crate) fn retain(&mut self, looks: &[Look]) {
        self.of_looks.retain(|look, _| looks.contains(look));
    }

    /// When anything was read last; 0 if nothing was.
    pub fn last(&self) -> i64 {
        self.all.values().copied().max().unwrap_or_default()
    }

    /// When a question of this kind was answered last; any of them, if it never was.
    pub fn of_action(&self, action: &str) -> i64 {
        self.all.get(action).copied().unwrap_or_else(|| self.last())
    }

    /// Of when a view is, with the kinds of questions that are not answered now.
    pub fn as_of<T>(&self, look: &Look, amiss: &BTreeMap<&'static str, T>) -> i64 {
        let Some(reads) = self.of_looks.get(look) else { return self.last() };
        let unanswered = reads.iter().filter(|(action, _)| amiss.contains_key(*action)).map(|(_, at)| *at).min();
        unanswered.or_else(|| reads.values().copied().max()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_view_is_as_old_as_what_is_refused_in_it() {
        let (jobs, run) = (Look::Jobs, Look::Run("j".into(), "r".into()));
        let mut reads = Reads::default();
        reads.took("logs:FilterLogEvents", std::slice::from_ref(&run), 10);
        reads.took("states:ListExecutions", &[jobs.clone(), run.clone()], 20);
        let mut notices = BTreeMap::new();
        assert_eq!((reads.as_of(&jobs, &notices), reads.as_of(&run, &notices)), (20, 20));
        let action = "logs:FilterLogEvents";
        notices.insert(action, ());
        // The one that waits for lines is old, the other one is not.
        assert_eq!((reads.as_of(&jobs, &notices), reads.as_of(&run, &notices)), (20, 10));
        assert_eq!((reads.of_action(action), reads.last()), (10, 20));
        reads.retain(&[jobs]);
        assert_eq!(reads.as_of(&run, &notices), 20);
    }
}

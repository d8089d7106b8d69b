//! Tells a tab what has changed in its view: the names of parts, never their content.

use crate::addresses;
use crate::app::App;
use crate::reply::{self, Reply};
use futures_util::stream;
use hyper::HeaderMap;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long to wait before a view is looked at again, if nothing changed: times pass, and its reader still looks.
const STILL: Duration = Duration::from_secs(3);

/// How long changes are gathered.
const GATHERED: Duration = Duration::from_millis(150);

/// A tab.
struct Tab {
    app: Arc<App>,
    headers: HeaderMap,
    address: String,
    changes: watch::Receiver<u64>,
    known: HashMap<&'static str, u64>,
    waiting: VecDeque<(&'static str, String)>,
    /// The first look has been taken.
    has_looked: bool,
    /// What the tab shows is of this version.
    seen: u64,
}

/// The stream of a tab; `query` says which view it shows, and of which version.
pub fn live(app: Arc<App>, headers: HeaderMap, query: &[(String, String)]) -> Reply {
    let changes = app.shared.changes();
    let tab = Tab {
        address: addresses::chosen(query, "view").unwrap_or("/").to_owned(),
        seen: addresses::chosen(query, "seen").and_then(|seen| seen.parse().ok()).unwrap_or(0),
        app,
        headers,
        changes,
        known: HashMap::new(),
        waiting: VecDeque::new(),
        has_looked: false,
    };
    reply::events(stream::unfold(tab, |mut tab| async move {
        while tab.waiting.is_empty() {
            tab.look().await;
        }
        let event = tab.waiting.pop_front()?;
        Some((event, tab))
    }))
}

impl Tab {
    /// Waits for a change, and tells of the parts that it changed.
    async fn look(&mut self) {
        if self.has_looked
            && tokio::time::timeout(STILL, self.changes.changed()).await.is_ok_and(|changed| changed.is_ok())
        {
            tokio::time::sleep(GATHERED).await;
        }
        let version = *self.changes.borrow_and_update();
        // A view that cannot be written tells of nothing; its tab is still connected, and has its error.
        let written = catch_unwind(AssertUnwindSafe(|| addresses::parts(&self.app, &self.headers, &self.address)));
        let (time, parts) = written.unwrap_or_default();
        let is_seen = !self.has_looked && version == self.seen;
        self.has_looked = true;
        for (name, text) in parts {
            let hash = hash(&text);
            if self.known.insert(name, hash) != Some(hash) && !is_seen {
                self.waiting.push_back(("part", name.to_owned()));
            }
        }
        // Also if nothing changed: a stream that says nothing cannot tell that its tab is gone.
        self.waiting.push_back(("time", time));
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

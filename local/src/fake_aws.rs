//! S3 and Step Functions as far as one function needs them, at an address of their own; contents and clock are the
//! caller's. The local AWS cannot date an object as a test likes, show an execution late, list a million objects, or
//! answer so quickly that only the function is measured.
//!
//! # Layout
//! - [`FakeAws`] serves a [`World`], which is everything that the services know.
//! - `objects`: reading and writing, with `file_body` for content that is in a file; `listing`: `ListObjectsV2`;
//!   `executions`: Step Functions.
//! - `gate`: lets requests pass one at a time; `http`: the server; `control`: the commands of the bench.

mod control;
mod executions;
mod file_body;
mod gate;
pub mod http;
mod listing;
mod objects;

pub(crate) use control::serve;
pub use executions::{Run, Seen};
pub use file_body::FileBody;
pub use gate::Gate;
pub use listing::{Generated, Query, date};
pub use objects::{Keeps, Object, OnRange};

use http::{Request, Response, Server};
use objects::s3_error;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// The only bucket.
pub const BUCKET: &str = "lake";

/// Everything that the services know.
#[derive(Default)]
pub struct World {
    /// What a written object is dated with, in milliseconds since 1970.
    pub now: i64,
    /// The objects of the bucket, by their keys.
    pub objects: BTreeMap<String, Object>,
    /// Listed instead of the objects under its prefix.
    pub generated: Option<Generated>,
    /// The executions of Step Functions.
    pub runs: Vec<Run>,
    /// Whether any other execution is said to have succeeded. Without it, Step Functions does not know it.
    pub others_succeeded: bool,
    /// Put just before the second page of a listing is made.
    pub before_second_page: BTreeMap<String, Object>,
    /// After this many requests, all others are refused.
    pub denied_after: Option<u64>,
    /// The queries of all listings, page by page.
    pub listings: Vec<Query>,
    /// By their queries, the listings that are refused.
    pub refuses: Option<fn(&Query) -> bool>,
    /// The status whose executions are not listed: that is refused.
    pub refuses_status: Option<&'static str>,
    /// What happens when a range of an object is read.
    pub on_range: Option<Box<OnRange>>,
    /// Keys of objects that are encrypted with keys that no reader has.
    pub sealed: BTreeSet<String>,
    /// Sees what is written, and says whether the body is kept; without it all of them are.
    pub keeps: Option<Box<Keeps>>,
    /// What was read of objects.
    pub reads: Reads,
    /// The parts of unfinished uploads, by their numbers.
    pub uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
}

/// Requests that were answered with an object or a range of one.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Reads {
    /// How many.
    pub requests: u64,
    /// The bytes of their answers.
    pub bytes: u64,
}

impl World {
    fn answer(&mut self, request: &Request) -> Response {
        let target = request.header("x-amz-target");
        match self.denied_after {
            Some(0) if target.is_some() => return Response::new(400, r#"{"__type": "AccessDeniedException"}"#),
            Some(0) => return s3_error(403, "AccessDenied"),
            Some(left) => self.denied_after = Some(left - 1),
            None => {}
        }
        if let Some(target) = target {
            return self.step_functions(target, &serde_json::from_slice(&request.body).unwrap_or_default());
        }
        let path = request.path.strip_prefix('/').and_then(|path| path.strip_prefix(BUCKET));
        let key = path.and_then(|path| if path.is_empty() { Some("") } else { path.strip_prefix('/') });
        match (request.method.as_str(), key) {
            ("GET", Some("")) if request.query.contains_key("list-type") => self.list(&request.query),
            ("GET" | "HEAD" | "PUT" | "DELETE" | "POST", Some(key)) if !key.is_empty() => self.object(request, key),
            (method, _) => s3_error(501, &format!("{method} {} is not played", request.path)),
        }
    }
}

/// S3 and Step Functions at one address.
pub struct FakeAws {
    world: Arc<Mutex<World>>,
    server: Server,
}

impl FakeAws {
    /// Starts with an empty world.
    ///
    /// # Panics
    /// If nothing can listen on loopback.
    pub fn start() -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let served = Arc::clone(&world);
        Self { world, server: Server::start(move |request| locked(&served).answer(request)) }
    }

    /// The same services at another address, behind a gate.
    ///
    /// # Panics
    /// As [`FakeAws::start`].
    pub fn behind(&self, gate: Arc<Gate>) -> Self {
        let (world, served) = (Arc::clone(&self.world), Arc::clone(&self.world));
        let server = Server::start(move |request| gate.pass(request, || locked(&served).answer(request)));
        Self { world, server }
    }

    /// To be let go of before the function is called.
    pub fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    /// Where the services answer.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }
}

/// A thread that panicked, such as a test that failed, is no reason to fail in another one.
fn locked(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

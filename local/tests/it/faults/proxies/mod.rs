//! Faults between the functions and the world: every request to AWS and every message to PostgreSQL passes through
//! here, and one of them can be made to go wrong. What a function does between two of these nobody else can see, so
//! these are all the points at which it matters that it dies.

mod http;
mod postgres;
mod process;
mod socket;

use local::stack::Stack;
use process::Caller;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;

/// When, seen from the request at which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It never reaches the server.
    Before,
    /// The server has done it, and the function never hears of it.
    After,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The function's process is killed by SIGKILL.
    Kill,
    /// The connection is cut.
    Cut,
    /// The service answers with this status instead.
    Status(u16),
    /// The request takes this much longer.
    Slow(Duration),
    /// The request waits until the test lets it go on.
    Hold,
    /// Half of the answer comes.
    Truncate,
    /// The database's server process of this session crashes, whereupon the server ends all sessions and recovers.
    CrashServer,
}

/// Where in an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the first request of this name.
    Named(String),
    /// At the request of this number, from 0.
    Number(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub place: Place,
    pub moment: Moment,
    pub action: Action,
    /// How many requests in a row, from there on with the same name.
    pub times: usize,
}

/// What was seen of a deployment's functions, and what is to go wrong.
#[derive(Default)]
struct Plan {
    seen: Vec<String>,
    fault: Option<Fault>,
    /// The name at which it struck, and how often it has yet to.
    struck: Option<(String, usize)>,
    /// Requests that are held may go on.
    is_released: bool,
    /// Requests on their way.
    under_way: usize,
}

#[derive(Default)]
struct Shared {
    aws: OnceLock<SocketAddr>,
    /// Redshift's Data API, where a test has one.
    redshift: OnceLock<SocketAddr>,
    database: OnceLock<SocketAddr>,
    /// For crashing a server process.
    administrator: OnceLock<String>,
    plans: Mutex<HashMap<String, Plan>>,
}

/// The two proxies.
pub(crate) struct Faults {
    shared: Arc<Shared>,
    /// Where functions find AWS.
    pub aws: SocketAddr,
    /// Where functions find the database.
    pub database: SocketAddr,
}

impl Faults {
    /// Starts the proxies; where they lead is not known yet.
    async fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let (http, postgres) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (aws, database) = (http.local_addr().unwrap(), postgres.local_addr().unwrap());
        tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((client, _)) = http.accept().await {
                    tokio::spawn(http::serve(shared.clone(), client));
                }
            }
        });
        tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((client, _)) = postgres.accept().await {
                    tokio::spawn(postgres::serve(shared.clone(), client));
                }
            }
        });
        Self { shared, aws, database }
    }

    /// A stack of its own, whose functions find AWS behind a proxy.
    pub(crate) async fn with_stack() -> (Self, Stack) {
        let faults = Self::start().await;
        let address = faults.aws;
        let stack = tokio::task::spawn_blocking(move || Stack::for_tests_behind(Some(address))).await.unwrap();
        let stack = stack.unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
        let administrator = stack.database_url("postgres");
        let (_, database) = administrator.split_once('@').unwrap();
        faults.shared.aws.set(stack.address().parse().unwrap()).unwrap();
        faults.shared.database.set(database.split('/').next().unwrap().parse().unwrap()).unwrap();
        faults.shared.administrator.set(administrator).unwrap();
        (faults, stack)
    }

    /// Where Redshift's Data API is.
    pub(crate) fn lead_to_redshift(&self, address: SocketAddr) {
        self.shared.redshift.set(address).unwrap();
    }

    /// Forgets what was seen of a deployment, and makes something go wrong from now on.
    pub(crate) fn arm(&self, deployment: &str, fault: Option<Fault>) {
        let mut plans = self.shared.plans.lock().unwrap();
        let under_way = plans.get(deployment).map_or(0, |plan| plan.under_way);
        plans.insert(deployment.to_owned(), Plan { fault, under_way, ..Plan::default() });
    }

    /// The names of all requests since then, in their order.
    pub(crate) fn seen(&self, deployment: &str) -> Vec<String> {
        self.shared.plans.lock().unwrap().get(deployment).map(|plan| plan.seen.clone()).unwrap_or_default()
    }

    /// Lets the requests go on that are held.
    pub(crate) fn release(&self, deployment: &str) {
        if let Some(plan) = self.shared.plans.lock().unwrap().get_mut(deployment) {
            plan.is_released = true;
        }
    }

    /// Whether none of the deployment's functions waits for an answer.
    pub(crate) fn is_quiet(&self, deployment: &str) -> bool {
        self.shared.plans.lock().unwrap().get(deployment).is_none_or(|plan| plan.under_way == 0)
    }

    /// The request at which the fault has struck, if it has.
    pub(crate) fn struck(&self, deployment: &str) -> Option<String> {
        let plans = self.shared.plans.lock().unwrap();
        plans.get(deployment).and_then(|plan| plan.struck.as_ref().map(|(name, _)| name.clone()))
    }
}

/// The plan of a caller's deployment. The names of two may begin alike, but for the hyphen before a job's.
fn plan_of<'a>(plans: &'a mut HashMap<String, Plan>, caller: &Caller) -> Option<&'a mut Plan> {
    let is_of = |name: &str| caller.owner.strip_prefix(name).is_some_and(|job| job.is_empty() || job.starts_with('-'));
    plans.iter_mut().find(|(name, _)| is_of(name)).map(|(_, plan)| plan)
}

/// A request on its way.
struct UnderWay<'a> {
    shared: &'a Shared,
    caller: Option<&'a Caller>,
}

impl<'a> UnderWay<'a> {
    fn new(shared: &'a Shared, caller: Option<&'a Caller>) -> Self {
        let request = Self { shared, caller };
        request.count(|count| count + 1);
        request
    }

    fn count(&self, change: impl Fn(usize) -> usize) {
        let mut plans = self.shared.plans.lock().unwrap();
        if let Some(plan) = self.caller.and_then(|caller| plan_of(&mut plans, caller)) {
            plan.under_way = change(plan.under_way);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.count(|count| count.saturating_sub(1));
    }
}

impl Shared {
    /// Waits until a held request may go on.
    async fn held(&self, caller: &Caller) {
        while plan_of(&mut self.plans.lock().unwrap(), caller).is_some_and(|plan| !plan.is_released) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A request is about to be made: writes it down, and says what goes wrong with it.
    fn meet(&self, caller: &Caller, name: &str) -> Option<(Moment, Action)> {
        let mut plans = self.plans.lock().unwrap();
        let plan = plan_of(&mut plans, caller)?;
        let name = format!("{} {name}", caller.function);
        let number = plan.seen.len();
        plan.seen.push(name.clone());
        let fault = plan.fault.as_ref()?;
        let strikes = match (&mut plan.struck, &fault.place) {
            (Some((struck, left)), _) if *struck == name && *left > 0 => {
                *left -= 1;
                true
            }
            (Some(_), _) => false,
            (None, Place::Named(wanted)) => *wanted == name,
            (None, Place::Number(wanted)) => *wanted <= number,
        };
        if strikes && plan.struck.is_none() {
            plan.struck = Some((name, fault.times - 1));
        }
        strikes.then_some((fault.moment, fault.action))
    }
}

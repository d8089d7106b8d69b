//! A run that finds another one at work leaves its wake-up to that one. Here a file arrives when the owner of the lock
//! has already listed: in every order in which the steps of the two can fall, wherever one of them dies, and whichever
//! answer to one of them gets lost, some run lists after the file came.
//!
//! The real function runs, once for the owner that releases, once for the run that an upload started, and once for the
//! rule on runs that ended badly. Each of their requests about lock, mark and executions is let through when it is its
//! turn. Orders that lead to the same state, with the same knowledge on all sides, go on alike, so each such state is
//! left once by each step.

use crate::functions::detection::{BEGINNING, HOUR, event, execution};
use crate::functions::fake_aws::{FakeAws, Function, Gate, Object, Run, Seen};
use crate::support::is_full_campaign;
use serde_json::{Value, json};
use sluice::contract::{Again, Execution, Lock, keys};
use std::collections::HashSet;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many plays go on side by side: they mostly wait.
const WIDTH: usize = 12;

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// The owner's next request.
    Owner,
    /// The owner dies, and Step Functions knows.
    OwnerDies,
    /// The owner's next request is carried out, but its answer gets lost.
    OwnerLoses,
    /// The owner's state machine ends after its release.
    OwnerEnds,
    /// The next request of the run that the upload started: of its detection, then of its release.
    Upload,
    /// The same, but its answer gets lost.
    UploadLoses,
    /// The run that the upload started dies.
    UploadDies,
    /// The next request of the function that the rule calls.
    Rule,
}

type Answer = Result<Value, (String, String)>;

/// A process of the function behind a gate of its own, in a thread that calls it.
struct Actor {
    gate: Arc<Gate>,
    events: Sender<Value>,
    answer: Arc<Mutex<Option<Answer>>>,
    idle: Receiver<()>,
    is_busy: bool,
}

impl Actor {
    fn start(world: &FakeAws) -> Self {
        let gate = Arc::<Gate>::default();
        let aws = world.behind(Arc::clone(&gate));
        let (events, next) = mpsc::channel::<Value>();
        let (is_idle, idle) = mpsc::channel();
        let answer = Arc::<Mutex<Option<Answer>>>::default();
        let (its_gate, its_answer) = (Arc::clone(&gate), Arc::clone(&answer));
        std::thread::spawn(move || {
            let mut function = Function::start("detect-new-files", &aws);
            for event in next {
                let answer = function.invoke(&event);
                *its_answer.lock().unwrap() = Some(answer);
                its_gate.done();
                let _ = is_idle.send(());
            }
        });
        Self { gate, events, answer, idle, is_busy: false }
    }

    /// Begins an invocation, and waits for its first request.
    fn begin(&mut self, event: Value) {
        self.gate.close();
        *self.answer.lock().unwrap() = None;
        self.is_busy = true;
        self.events.send(event).unwrap();
        self.gate.settle();
    }

    fn is_done(&self) -> bool {
        self.is_busy && self.gate.knowledge().2
    }

    fn answer(&self) -> Answer {
        self.answer.lock().unwrap().clone().expect("it has ended")
    }

    /// Lets it go on to its end by itself, and forgets it.
    fn finish(&mut self) {
        if std::mem::take(&mut self.is_busy) {
            self.gate.open();
            self.idle.recv().unwrap();
        }
    }
}

/// A played order of steps.
struct Play<'a> {
    aws: &'a FakeAws,
    owner: &'a mut Actor,
    upload: &'a mut Actor,
    rule: &'a mut Actor,
    happened: Happened,
    /// What the detection of the run that the upload started has answered. From then on it releases.
    detected: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Happened {
    is_owner_dead: bool,
    has_owner_ended: bool,
    is_upload_dead: bool,
    /// At most one thing goes wrong in a play.
    has_gone_wrong: bool,
}

fn release(execution: &Execution, mark: Option<&str>) -> Value {
    json!({"action": "release", "execution": execution, "mark": mark})
}

/// What the rule on runs that ended badly says.
fn ended(execution: &Execution) -> Value {
    json!({"action": "release", "execution": execution, "has_ended": true})
}

fn run(execution: Execution, status: &'static str) -> Run {
    let stopped_at = (status != "RUNNING").then_some(BEGINNING + 2 * HOUR);
    let output = json!({"mode": "load"});
    Run { execution, status, started_at: BEGINNING + HOUR, stopped_at, output, seen: Seen::Described }
}

impl Play<'_> {
    /// The owner has listed and loaded; then the file came, and its event has started a run. With `asked`, a mark was
    /// there that the owner's listing answers.
    fn begin(&mut self, asked: bool) {
        let (owner, upload) = (execution("owner", BEGINNING + HOUR), execution("upload", BEGINNING + HOUR));
        let mark = {
            let mut world = self.aws.world();
            *world = crate::functions::fake_aws::World { now: BEGINNING + HOUR, ..Default::default() };
            let lock = Lock { owner: owner.id.clone(), started_at: owner.started_at.clone(), released: false };
            world.put(&keys::lock("m"), serde_json::to_vec(&lock).unwrap());
            let mark = Again { asked_by: execution("earlier", BEGINNING).id, answered: false };
            let mark = asked.then(|| world.put(&keys::again("m"), serde_json::to_vec(&mark).unwrap()));
            let modified = BEGINNING / 1_000 + 3_600;
            let file = Object { etag: "\"e\"".to_owned(), size: 1, modified, ..Object::default() };
            world.objects.insert("input_data/a.csv".to_owned(), file);
            world.runs = vec![run(owner.clone(), "RUNNING"), run(upload.clone(), "RUNNING")];
            mark
        };
        self.owner.begin(release(&owner, mark.as_deref()));
        self.upload.begin(event(&upload, 24, &json!({"upload": true})));
    }

    fn steps(&self) -> Vec<Step> {
        let (all_well, owner_waits) = (!self.happened.has_gone_wrong, !self.owner.is_done());
        let has_upload_ended = self.detected.is_some() && self.upload.is_done();
        let upload_waits = !self.happened.is_upload_dead && !has_upload_ended;
        // A function may go on though its execution was aborted.
        let goes_on = !self.happened.is_owner_dead || is_full_campaign();
        let can = [
            (Step::Owner, owner_waits && goes_on),
            (Step::OwnerLoses, all_well && owner_waits && self.owner.gate.waits_to_write()),
            (Step::OwnerDies, all_well && !self.happened.has_owner_ended),
            (Step::OwnerEnds, !self.happened.is_owner_dead && !owner_waits && !self.happened.has_owner_ended),
            (Step::Upload, upload_waits),
            (Step::UploadLoses, is_full_campaign() && all_well && upload_waits && self.upload.gate.waits_to_write()),
            (Step::UploadDies, is_full_campaign() && all_well && upload_waits),
            (Step::Rule, (self.happened.is_owner_dead || self.happened.is_upload_dead) && !self.rule.is_done()),
        ];
        can.into_iter().filter_map(|(step, can)| can.then_some(step)).collect()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Owner => self.owner.gate.step(),
            Step::Upload => {
                self.upload.gate.step();
                self.go_on_after_detection();
            }
            Step::Rule => self.rule.gate.step(),
            Step::OwnerLoses => {
                self.happened.has_gone_wrong = true;
                self.owner.gate.step_and_lose();
            }
            Step::UploadLoses => {
                self.happened.has_gone_wrong = true;
                self.upload.gate.step_and_lose();
                self.go_on_after_detection();
            }
            // What it has not asked for yet, it never does.
            Step::UploadDies => {
                (self.happened.is_upload_dead, self.happened.has_gone_wrong) = (true, true);
                self.aws.world().runs[1].status = "ABORTED";
                self.rule.begin(ended(&execution("upload", BEGINNING + HOUR)));
            }
            Step::OwnerEnds => {
                self.happened.has_owner_ended = true;
                self.aws.world().runs[0].status = "SUCCEEDED";
            }
            Step::OwnerDies => {
                (self.happened.is_owner_dead, self.happened.has_gone_wrong) = (true, true);
                self.aws.world().runs[0].status = "ABORTED";
                self.rule.begin(ended(&execution("owner", BEGINNING + HOUR)));
            }
        }
    }

    /// The state machine's next state, once there is an answer: whether it has loaded or left that to another run, it
    /// releases.
    fn go_on_after_detection(&mut self) {
        if self.detected.is_none() && self.upload.is_done() {
            let answer = self.upload.answer().unwrap();
            self.upload.finish();
            self.upload.begin(release(&execution("upload", BEGINNING + HOUR), answer["mark"].as_str()));
            self.detected = Some(answer);
        }
        if self.detected.is_some() && self.upload.is_done() {
            self.aws.world().runs[1].status = "SUCCEEDED";
        }
    }

    /// All that the rest depends on.
    fn state(&self) -> String {
        let world = self.aws.world();
        let document =
            |key: String| world.objects.get(&key).map(|object| String::from_utf8_lossy(&object.body).into_owned());
        let runs: Vec<_> = world.runs.iter().map(|run| (&run.execution.name, run.status)).collect();
        let known = [&self.owner, &self.upload, &self.rule].map(|actor| actor.gate.knowledge());
        let happened = self.happened;
        let (lock, mark) = (document(keys::lock("m")), document(keys::again("m")));
        format!("{known:?} {happened:?} {:?} {lock:?} {mark:?} {runs:?}", self.detected)
    }

    /// Runs whatever was started to its end, and says whether the file was listed, and by how many runs.
    fn conclude(&mut self) -> (bool, usize) {
        // A run that dies before it could ask has failed with an alarm of its own, like any run that dies before it
        // lists.
        let mut is_listed = self.happened.is_upload_dead && !self.has_asked();
        let mut count = 1;
        let mut next = self.detected.take();
        loop {
            if let Some(answer) = next.take() {
                let has_loaded = answer["mode"] == "load";
                assert!(has_loaded || answer["mode"] == "left_to_owner", "{answer}");
                is_listed |= has_loaded && answer["new_file_count"] == 1;
            }
            let running = |run: &&Run| run.status == "RUNNING";
            let started = self.aws.world().runs.iter().find(running).map(|run| run.execution.clone());
            let Some(started) = started else { return (is_listed, count) };
            count += 1;
            assert!(count < 6, "runs start runs without end");
            let answer = self.run_to_its_end(event(&started, 24, &json!({"again": true})));
            self.run_to_its_end(release(&started, answer["mark"].as_str()));
            let mut world = self.aws.world();
            let ended = world.runs.iter_mut().find(|run| run.execution == started).unwrap();
            (ended.status, ended.output) = ("SUCCEEDED", json!({"mode": answer["mode"]}));
            next = Some(answer);
        }
    }

    /// An invocation that nothing comes between.
    fn run_to_its_end(&mut self, event: Value) -> Value {
        self.upload.finish();
        self.upload.begin(event);
        self.upload.finish();
        self.upload.answer().unwrap()
    }

    /// Is there a mark of the upload's run that nobody has answered?
    fn has_asked(&self) -> bool {
        let world = self.aws.world();
        world.objects.get(&keys::again("m")).is_some_and(|object| {
            let mark: Again = serde_json::from_slice(&object.body).unwrap();
            mark.asked_by == execution("upload", BEGINNING + HOUR).id && !mark.answered
        })
    }

    fn finish(&mut self) {
        for actor in [&mut self.owner, &mut self.upload, &mut self.rule] {
            actor.finish();
        }
    }
}

/// The plays that are ahead, shared by those who play them.
#[derive(Default)]
struct Plays {
    ahead: Vec<Vec<Step>>,
    known: HashSet<String>,
    under_way: usize,
    /// One of those who play has failed.
    has_failed: bool,
    orders: usize,
    most_runs: usize,
}

/// Tells the others when the one that holds it fails, so that they do not wait for it.
struct Player<'a>(&'a Mutex<Plays>);

impl Drop for Player<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).has_failed = true;
        }
    }
}

/// Plays whatever is ahead, until nothing is and nobody is about to find more.
fn play_all(plays: &Mutex<Plays>, asked: bool) {
    let _player = Player(plays);
    let aws = FakeAws::start();
    let [mut owner, mut upload, mut rule] = [(); 3].map(|()| Actor::start(&aws));
    loop {
        let steps = {
            let mut plays = plays.lock().unwrap();
            match plays.ahead.pop() {
                _ if plays.has_failed => return,
                Some(steps) => {
                    plays.under_way += 1;
                    steps
                }
                None if plays.under_way == 0 => return,
                None => {
                    drop(plays);
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
            }
        };
        let (owner, upload, rule) = (&mut owner, &mut upload, &mut rule);
        rule.gate.close();
        let happened = Happened::default();
        let mut play = Play { aws: &aws, owner, upload, rule, happened, detected: None };
        play.begin(asked);
        steps.iter().for_each(|step| play.take(*step));
        go_on(&mut play, steps, plays, asked);
        play.finish();
        plays.lock().unwrap().under_way -= 1;
    }
}

/// Goes on from here by one of the steps that are possible, to the end or to a state that is known; the other steps are
/// left for later.
fn go_on(play: &mut Play<'_>, mut steps: Vec<Step>, plays: &Mutex<Plays>, asked: bool) {
    loop {
        let next = play.steps();
        let Some((first, others)) = next.split_first() else { break };
        {
            let mut plays = plays.lock().unwrap();
            if !plays.known.insert(play.state()) {
                return;
            }
            plays.ahead.extend(others.iter().map(|step| [steps.as_slice(), &[*step]].concat()));
        }
        play.take(*first);
        steps.push(*first);
    }
    let (is_listed, runs) = play.conclude();
    assert!(is_listed, "mark before: {asked}; nobody lists what came: {steps:?}");
    let mut plays = plays.lock().unwrap();
    plays.orders += 1;
    plays.most_runs = plays.most_runs.max(runs);
}

#[test]
fn a_wake_up_that_is_left_to_the_owner_is_never_lost() {
    let marks_before = if is_full_campaign() { &[false, true][..] } else { &[false] };
    for &asked in marks_before {
        let plays = Mutex::new(Plays { ahead: vec![Vec::new()], ..Plays::default() });
        std::thread::scope(|scope| {
            for _ in 0..WIDTH {
                scope.spawn(|| play_all(&plays, asked));
            }
        });
        let plays = plays.into_inner().unwrap();
        let (states, orders, most_runs) = (plays.known.len(), plays.orders, plays.most_runs);
        eprintln!("mark before: {asked}; {states} states, {orders} orders, at most {most_runs} runs for one upload");
        assert!(orders > 50 && most_runs <= 4, "{orders} orders, {most_runs} runs");
    }
}

//! Which versions of which files are loaded, over random histories of a bucket: each one once, whatever happens.
//!
//! The real function detects. The test plays everything around it: writers, S3's dates, the list of executions, and
//! what pivot and upsert leave behind. Time is simulated, and past. The function uses its own clock in one place, to
//! say in the manifest when it detected: that is checked, and then the simulated time takes its place in the ledger.
//! (The lock looks at the clock only if nobody knows its owner, and then a simulated one has started long ago.)
//!
//! # What is generated, and what would go unnoticed without it
//! - Uploads of the longest duration allowed that appear right after a listing, dated with their start: the watermark's
//!   floor, `>=` in the window, the lookback, and a watermark that is the end of an execution instead of its start.
//! - Dates ahead of the function's clock, and starts at just such a date plus the lookback: the margin of the ledger.
//! - Runs that fail after their last ledger entry: the ledger, which then is all that knows. Runs that commit and write
//!   no entry, or not all: the files without one, and only these, may be loaded once more.
//! - Failed runs and dry runs while files wait for longer than the lookback: only a success that loaded is a watermark.
//! - Overwriting with equal size: the entity tag. Putting back: the ledger's last version, and only that one.
//! - Over 2,000 files, with writes between the pages: the pages after the first one, and where the listing is cut.
//! - Overwriting and deleting between detection and reading: what was left out is not in the ledger.
//! - Successes that are listed or described late: an older watermark repeats nothing.
//! - Files that upsert sets aside: they are not tried again as they are.
//!
//! Histories of another kind change what is around the files: the spec, the table, the database.

mod changes;
mod ended_badly;
mod history;
mod lost;
mod million;
mod spellings;

use crate::functions::fake_aws::{FakeAws, Function};
use crate::support::seeds;
use aws_sdk_s3::primitives::DateTime;
use history::{Counts, History};
use serde_json::{Value, json};
use sluice::contract::{Detect, DetectInput, Execution, Loaded, Record, keys};
use sluice::spec::{Parts, Print};
use sluice::time::format_time;

/// When all histories begin: 1 January 2024, in milliseconds, as all times here unless they are dates of objects.
pub(crate) const BEGINNING: i64 = 1_704_067_200_000;
pub(crate) const HOUR: i64 = 3_600_000;
const PREFIX: &str = "input_data/";

pub(crate) fn execution(name: &str, started_at: i64) -> Execution {
    let arn = |kind: &str| format!("arn:aws:states:us-east-1:123456789012:{kind}:m");
    Execution {
        job: "m".to_owned(),
        id: format!("{}:{name}", arn("execution")),
        name: name.to_owned(),
        started_at: format_time(DateTime::from_millis(started_at)),
        state_machine: arn("stateMachine"),
    }
}

/// The spec of the job.
pub(crate) fn parts(lookback_hours: i64) -> Parts {
    let columns = json!({"date": {"type": "date"}, "project": {}, "minutes": {"type": "number"}});
    Parts {
        source: json!({"suffix": ".csv", "lookback_hours": lookback_hours, "columns": columns}),
        shape: json!({"keys": ["date"], "values": {"minutes": "sum"}, "pivot": {"on": "project", "into": {"Work": "work"}}}),
        target: json!({"table": "t", "on_overlap": "all_files"}),
    }
}

pub(crate) fn event(execution: &Execution, lookback_hours: i64, trigger: &Value) -> Value {
    detect(execution, parts(lookback_hours), None, trigger)
}

/// What the state machine gives to detection.
pub(crate) fn detect(execution: &Execution, parts: Parts, record: Option<Record>, trigger: &Value) -> Value {
    let (execution, trigger) = (execution.clone(), trigger.clone());
    json!(DetectInput::Detect(Box::new(Detect { execution, prefix: PREFIX.to_owned(), parts, record, trigger })))
}

/// What decides what the table of a spec holds.
pub(crate) fn print(parts: &Parts) -> Print {
    parts.check().unwrap().print(super::fake_aws::BUCKET, PREFIX)
}

/// Leaves what upsert does after a load.
pub(crate) fn write_document(aws: &FakeAws, loaded: &Loaded) {
    aws.world().put(&keys::loaded("m"), serde_json::to_vec(loaded).unwrap());
}

#[test]
fn every_version_is_loaded_once() {
    let aws = FakeAws::start();
    let mut function = Function::start("detect-new-files", &aws);
    let mut counts = Counts::default();
    for seed in seeds(40) {
        eprintln!("detection history: SLUICE_SEEDS={seed}..{}", seed + 1);
        History::new(seed, &aws, &mut function, &mut counts).play();
    }
    eprintln!("detection histories: {counts:?}");
}

#[test]
fn whatever_changes_around_the_files_each_is_in_the_table_that_is_there() {
    let aws = FakeAws::start();
    let mut function = Function::start("detect-new-files", &aws);
    let mut counts = changes::Counts::default();
    for seed in seeds(30) {
        eprintln!("detection changes: SLUICE_SEEDS={seed}..{}", seed + 1);
        changes::History::new(seed, &aws, &mut function, &mut counts).play();
    }
    eprintln!("detection changes: {counts:?}");
}

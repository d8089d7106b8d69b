//! `cargo local up`: the stack in the foreground, for other programs to use.

use crate::BoxError;
use crate::deployment::{Deployment, Options};
use crate::emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};
use crate::events;
use crate::execution::Execution;
use crate::failure::{Failure, chain, named, not_deployed};
use crate::page::PageOfStack;
use crate::relay::Relay;
use crate::report::{self, out};
use crate::setup_error::SetupError;
use crate::source::Source;
use crate::stack::{STACK_NAME, Stack};
use crate::template::{self, Job, Kind, REFERENCE_JOB};
use crate::warehouse::{DATABASE, Warehouse};
use clap::Args;
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Args)]
pub(crate) struct UpArguments {
    /// Print one JSON object per execution that ends, on standard output after the line `ready`.
    #[arg(long)]
    json: bool,
    /// Answer at one more address of this machine, and export that one: Docker's (172.17.0.1, as a rule) lets
    /// containers in.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,
}

/// Keeps the stack running until it is told to end.
pub(crate) async fn up(arguments: &UpArguments, state_dir: &Path) -> Result<(), Failure> {
    let root = template::root()?;
    let jobs = template::all_jobs()?;
    let stack = Stack::start(state_dir, template::binaries(&root, &jobs)?, &|text| eprintln!("{text}"))?;
    let mut options = Options { s3_trigger: true, ..Options::default() };
    let transfer = jobs.iter().find_map(|job| match &job.kind {
        Kind::MysqlToRedshift(spec) => Some(spec),
        _ => None,
    });
    let mut warehouse = None;
    if let Some(spec) = transfer {
        let started = stack.warehouse(&|text| eprintln!("{text}"))?;
        started.make_database(DATABASE).await?;
        started.make_schema(&spec.source.schema).await?;
        options.parameters.extend(started.parameters(&spec.source.schema, DATABASE));
        warehouse = Some((started, spec.source.schema.clone()));
    }
    eprintln!("deploying template.yaml");
    // Files are jobs' own; other jobs are there if what they read is.
    let (copying, mut jobs): (Vec<Job>, Vec<Job>) =
        jobs.into_iter().partition(|job| matches!(job.kind, Kind::CopyTable(_)));
    let source = match copying.is_empty() || !stack.owns_database_server() {
        true => None,
        false => Some(Source::new(&stack).await?),
    };
    // Without a second database no table can be copied, so those jobs are not deployed.
    if let Some(source) = &source {
        for job in &copying {
            source.fill(job).await.unwrap_or_else(|error| eprintln!("{error}"));
        }
        options.parameters.extend(source.options().parameters);
        jobs.extend(copying);
    }
    let deployment = stack.deploy(STACK_NAME, &options).await.map_err(|error| not_deployed(error, state_dir))?;
    let _relays = match arguments.listen {
        None => Vec::new(),
        Some(address) => relays(address, &stack, &deployment).await.map_err(|error| {
            let what = format!("The stack cannot answer at {address}.");
            SetupError::failed(what, "Give an address that `ip address` lists for this machine.").caused_by(error)
        })?,
    };
    let jobs: Vec<(Job, Deployment)> = jobs.into_iter().map(|job| (job.clone(), deployment.of_job(&job))).collect();
    let mut exports = exports(arguments.listen, &stack, &deployment, source.as_ref(), &jobs);
    exports.extend(warehouse.iter().flat_map(|(warehouse, schema)| of_warehouse(warehouse, schema)));
    let exports: String = exports
        .into_iter()
        .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
        .collect();
    let file = state_dir.join("env");
    write_private(&file, &exports).map_err(|error| named(&file, &error))?;
    // Before anything says that it is ready; until here a signal just ends this process, and with it what it started.
    let end_signals = EndSignals::new().map_err(BoxError::from)?;
    let events = state_dir.join("events");
    let watcher = Watcher::new(&jobs, arguments.json, &events).await?;
    out(format_args!("{exports}ready\n"));
    eprintln!("the exports are in {} too", file.display());
    for (job, _) in &jobs {
        if let Some(files) = job.files() {
            eprintln!(
                "upload to s3://{}/{} and a run of {} starts by itself",
                deployment.bucket, files.prefix, job.name
            );
        }
    }
    if warehouse.is_some() {
        eprintln!("look into MySQL at $MYSQL_URL; into Redshift by psql \"$REDSHIFT_URL\", or as on AWS:");
        eprintln!("aws redshift-data execute-statement --workgroup-name warehouse --database {DATABASE} --sql ...");
    }
    eprintln!("Ctrl-C ends");
    // Nobody waits for it: the stack is ready, and the page is built the first time.
    let page = tokio::spawn(open(PageOfStack::new(&stack, &deployment, state_dir)));
    let result = tokio::select! {
        watched = watcher.watch() => watched.map_err(Failure::from),
        () = end_signals.received() => {
            eprintln!("stopping");
            Ok(())
        }
    };
    page.abort();
    let _ = page.await;
    let _ = fs::remove_file(&file);
    result
}

/// Serves the page for as long as this is not dropped.
async fn open(page: PageOfStack) {
    let started = tokio::task::spawn_blocking(|| page.start()).await;
    match started {
        Ok(Ok(page)) => {
            eprintln!("look at the runs, and start some: {}", page.address);
            std::future::pending::<()>().await;
        }
        Ok(Err(error)) => eprintln!("{}", chain(&error)),
        Err(error) => eprintln!("the page: {error}"),
    }
}

/// What other programs need, as variables; at the address `listen`, if there is one.
fn exports(
    listen: Option<IpAddr>,
    stack: &Stack,
    deployment: &Deployment,
    source: Option<&Source>,
    jobs: &[(Job, Deployment)],
) -> Vec<(String, String)> {
    let at = |address: String| match (listen, address.rsplit_once(':')) {
        (Some(IpAddr::V6(host)), Some((_, port))) => format!("[{host}]:{port}"),
        (Some(host), Some((_, port))) => format!("{host}:{port}"),
        _ => address,
    };
    let database = deployment.database_address();
    let reached = |url: &str| url.replacen(&database, &at(database.clone()), 1);
    let source = source.map(|source| ("SOURCE_DATABASE_URL", reached(&source.url)));
    let of_all = [
        ("AWS_ENDPOINT_URL", format!("http://{}", at(stack.address()))),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("DATABASE_URL", reached(&deployment.database_url)),
        ("DATABASE_ENDPOINT", at(database.clone())),
        ("DATABASE_INSTANCE", deployment.database_instance.clone()),
        ("BUCKET", deployment.bucket.clone()),
    ];
    let of_job = |(job, deployment): &(Job, Deployment)| {
        let name = job.name.to_uppercase().replace('-', "_");
        (format!("{name}_STATE_MACHINE_ARN"), deployment.state_machine_arn.clone())
    };
    let reference = jobs.iter().find(|(job, _)| job.name == REFERENCE_JOB).or(jobs.first());
    let reference = reference.map(|(_, deployment)| ("STATE_MACHINE_ARN", deployment.state_machine_arn.clone()));
    let of_all = of_all.into_iter().chain(source).chain(reference).map(|(name, value)| (name.to_owned(), value));
    of_all.chain(jobs.iter().map(of_job)).collect()
}

/// What programs need that look into MySQL and Redshift.
fn of_warehouse(warehouse: &Warehouse, schema: &str) -> [(String, String); 3] {
    [
        ("MYSQL_URL", warehouse.mysql_url(schema)),
        ("AWS_ENDPOINT_URL_REDSHIFT_DATA", format!("http://{}", warehouse.address())),
        ("REDSHIFT_URL", warehouse.url(DATABASE)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

async fn relays(address: IpAddr, stack: &Stack, deployment: &Deployment) -> std::io::Result<Vec<Relay>> {
    let mut relays = Vec::new();
    for target in [stack.address(), deployment.database_address()] {
        relays.push(Relay::start(address, &target).await?);
    }
    Ok(relays)
}

/// Writes a file that only this user can read: it holds a password.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// Tells of each execution of each job that ends, and keeps the examples filled in from each job's newest one that
/// found something.
struct Watcher<'a> {
    jobs: &'a [(Job, Deployment)],
    json: bool,
    events: &'a Path,
    told: HashSet<String>,
}

impl<'a> Watcher<'a> {
    /// Executions that ended before are not told of.
    async fn new(jobs: &'a [(Job, Deployment)], json: bool, events: &'a Path) -> Result<Self, BoxError> {
        let mut watcher = Self { jobs, json, events, told: HashSet::new() };
        for (job, deployment) in jobs {
            let mut is_filled_in = false;
            // The newest one first.
            for (arn, _) in list(deployment).await?.into_iter().filter(|(_, is_running)| !is_running) {
                is_filled_in = is_filled_in || watcher.fill_in(job, deployment, &arn).await?;
                watcher.told.insert(arn);
            }
        }
        Ok(watcher)
    }

    async fn fill_in(&self, job: &Job, deployment: &Deployment, arn: &str) -> Result<bool, BoxError> {
        events::fill_in(deployment, job, arn, &self.events.join(&job.name)).await
    }

    /// For as long as the stack runs.
    async fn watch(mut self) -> Result<(), BoxError> {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            for (job, deployment) in self.jobs {
                for (arn, is_running) in list(deployment).await? {
                    if !is_running && self.told.insert(arn.clone()) {
                        self.fill_in(job, deployment, &arn).await?;
                        self.tell(job, deployment, arn).await?;
                    }
                }
            }
        }
    }

    async fn tell(&self, job: &Job, deployment: &Deployment, arn: String) -> Result<(), BoxError> {
        let outcome = Execution::new(deployment.sfn(), arn).outcome().await?;
        if self.json {
            out(format_args!("{}\n", serde_json::to_string(&outcome)?));
            return Ok(());
        }
        let name = outcome.execution.rsplit(':').next().unwrap_or_default();
        eprintln!("{} {name} {}: {}", job.name, outcome.status, report::summary(&outcome).replace('\n', "; "));
        Ok(())
    }
}

async fn list(deployment: &Deployment) -> Result<Vec<(String, bool)>, BoxError> {
    let listed = deployment.sfn().list_executions().state_machine_arn(&deployment.state_machine_arn).send().await?;
    let is_running = |status| status == aws_sdk_sfn::types::ExecutionStatus::Running;
    Ok(listed.executions.into_iter().map(|item| (item.execution_arn, is_running(item.status))).collect())
}

/// What tells a program in the foreground to end. Made before anything says that it is ready.
struct EndSignals([Signal; 3]);

impl EndSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn received(mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

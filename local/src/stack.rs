//! PostgreSQL and the local AWS, started together, with the functions' code uploaded. Both end with this process.

use crate::BoxError;
use crate::binaries::{self, Package};
use crate::deployment::{self, Deployment, Options};
use crate::emulator::{self, Emulator, Neighbours, Settings};
use crate::fingerprint::fingerprint;
use crate::mysql::Mysql;
use crate::postgres::Postgres;
use crate::setup_error::SetupError;
use crate::template::{self, Artifact, Artifacts};
use crate::warehouse::{Places, Warehouse};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The name of the stack that people's jobs are deployed in.
pub(crate) const STACK_NAME: &str = "sluice";

/// The bucket that code is deployed from.
const ARTIFACTS: &str = "sluice-artifacts";

/// The code of functions that were not built, because no job that runs needs them.
const NOT_BUILT: &str = "not-built.zip";

/// The function that runs queries: where it is needed, Athena is.
const RUN_QUERY: &str = "run-query";

/// A running stack.
pub struct Stack {
    // Dropped in this order: functions first, then what they talk to, then the folder.
    emulator: Emulator,
    warehouse: OnceLock<Warehouse>,
    /// The socket that the functions were told of, until the warehouse takes it.
    redshift: Mutex<Option<TcpListener>>,
    postgres: Database,
    state_dir: PathBuf,
    packages: Vec<Package>,
    next_name: AtomicU32,
    _lock: File,
    scratch: Option<Scratch>,
}

/// A folder that goes with its stack.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Postgres::erase(&self.0);
        let _ = Mysql::erase(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

enum Database {
    Ours(Postgres),
    /// What `DATABASE_URL` says.
    Given(String),
}

impl Stack {
    /// Starts a stack for people: its state stays in `state_dir`, its waits are shorter than on AWS but can be seen.
    /// A database that `DATABASE_URL` names is used in place of one of its own. Of the template's functions only the
    /// ones with the binaries `functions` are built; the others are deployed, but cannot run.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn start(state_dir: &Path, functions: BTreeSet<String>, report: &dyn Fn(&str)) -> Result<Self, SetupError> {
        let runs_queries = functions.contains(RUN_QUERY);
        let settings = Settings { keeps_state: true, wait_scale: 0.05, functions_see: None, runs_queries };
        Self::start_with(state_dir, settings, functions, std::env::var("DATABASE_URL").ok(), report)
    }

    /// Starts a stack for tests in a new folder, with the functions of all jobs: nothing of it stays, and state
    /// machines hardly wait.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn for_tests() -> Result<Self, SetupError> {
        Self::for_tests_behind(None)
    }

    /// As [`Stack::for_tests`], with functions that find AWS at another address, where something stands between.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn for_tests_behind(functions_see: Option<SocketAddr>) -> Result<Self, SetupError> {
        clear_ended_tests();
        let name = format!(
            "sluice-test-{}-{:x}",
            std::process::id(),
            std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos()
        );
        let functions = template::root().and_then(|root| template::binaries(&root, &template::all_jobs()?));
        let functions = functions.map_err(|error| {
            SetupError::failed("The template cannot be read.", "Correct template.yaml.").caused_by(error)
        })?;
        let settings = Settings { keeps_state: false, wait_scale: 0.01, functions_see, runs_queries: true };
        Self::start_with(&std::env::temp_dir().join(name), settings, functions, None, &|text| eprintln!("{text}"))
    }

    fn start_with(
        state_dir: &Path,
        settings: Settings,
        functions: BTreeSet<String>,
        database_url: Option<String>,
        report: &dyn Fn(&str),
    ) -> Result<Self, SetupError> {
        let unusable = |error: std::io::Error| {
            SetupError::failed(format!("The folder {} cannot be used.", state_dir.display()), "Choose another one.")
                .caused_by(error)
        };
        fs::create_dir_all(state_dir).map_err(unusable)?;
        let state_dir = &std::path::absolute(state_dir).map_err(unusable)?;
        // Made first, so that it goes last, also when something after it fails.
        let scratch = (!settings.keeps_state).then(|| Scratch(state_dir.clone()));
        let lock = hold(state_dir)?;
        let tools_dir = tools_dir();
        let names = functions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        report(&format!("building {names}, if they are not up to date"));
        // Meanwhile the services start. If they cannot, the build ends with this process.
        let to_build = functions.clone();
        let build = std::thread::spawn(move || binaries::build(&to_build));
        let postgres = match database_url.filter(|url| !url.is_empty()) {
            Some(url) => Database::Given(checked(url, report)?),
            None => Database::Ours(Postgres::start(state_dir, &tools_dir, settings.keeps_state, report)?),
        };
        // Functions are told of it now; who listens there is started when a job needs it.
        let redshift = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(unusable)?;
        let neighbours = Neighbours { redshift: redshift.local_addr().map_err(unusable)? };
        let emulator = Emulator::start(state_dir, &tools_dir, settings, neighbours, report)?;
        let folder = build.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let packages = functions.into_iter().map(|function| Package::new(function, &folder));
        let packages = packages.collect::<Result<_, _>>()?;
        Ok(Self {
            emulator,
            warehouse: OnceLock::new(),
            redshift: Mutex::new(Some(redshift)),
            postgres,
            state_dir: state_dir.clone(),
            packages,
            next_name: AtomicU32::new(0),
            _lock: lock,
            scratch,
        })
    }

    /// The MySQL and the Redshift of this stack, started by the first call. In a stack for people the MySQL is the one
    /// that `MYSQL_URL` names, if it is set; in one for tests that of `SLUICE_TEST_MYSQL_URL`.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn warehouse(&self, report: &dyn Fn(&str)) -> Result<&Warehouse, SetupError> {
        let mut reserved = self.redshift.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(started) = self.warehouse.get() {
            return Ok(started);
        }
        let listener = reserved.take().ok_or_else(|| {
            SetupError::failed("MySQL and the stand-in for Redshift did not start before.", "Start anew.")
        })?;
        let keeps_state = self.scratch.is_none();
        let places = Places {
            state_dir: &self.state_dir,
            tools_dir: &tools_dir(),
            s3: &self.endpoint(),
            postgres: match &self.postgres {
                Database::Ours(postgres) => Some(postgres),
                Database::Given(_) => None,
            },
            keeps_state,
        };
        let variable = if keeps_state { "MYSQL_URL" } else { "SLUICE_TEST_MYSQL_URL" };
        let started = Warehouse::start(&places, listener, std::env::var(variable).ok(), report)?;
        Ok(self.warehouse.get_or_init(|| started))
    }

    /// Host and port of the local AWS.
    pub fn address(&self) -> String {
        self.emulator.address()
    }

    /// Where the local AWS answers.
    pub fn endpoint(&self) -> String {
        self.emulator.endpoint()
    }

    /// What an AWS client of an administrator needs. Not to be shared between runtimes: a client's connections belong
    /// to one.
    pub async fn config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .http_client(sluice::aws::http_client())
            .region(Region::from_static(emulator::REGION))
            .endpoint_url(self.endpoint())
            .credentials_provider(Credentials::new(
                emulator::ACCESS_KEY_ID,
                emulator::SECRET_ACCESS_KEY,
                None,
                None,
                "local",
            ))
            .load()
            .await
    }

    /// The URL of a database of this stack's server; with a server of the user's own it is always the one they named.
    pub fn database_url(&self, database: &str) -> String {
        match &self.postgres {
            Database::Ours(postgres) => postgres.url(database),
            Database::Given(url) => url.clone(),
        }
    }

    /// The `psql` that came with the stack's own server, if one did.
    pub fn psql(&self) -> Option<PathBuf> {
        match &self.postgres {
            Database::Ours(postgres) => postgres.psql_path(),
            Database::Given(_) => None,
        }
    }

    /// Whether the server is the stack's own, so that databases may be made on it.
    pub fn owns_database_server(&self) -> bool {
        matches!(self.postgres, Database::Ours(_))
    }

    /// Deploys the template as the stack `name`, or brings that stack up to date.
    ///
    /// # Errors
    /// Whatever the local AWS or the database says.
    pub async fn deploy(&self, name: &str, options: &Options) -> Result<Deployment, BoxError> {
        self.deploy_template(name, options, template::read()?).await
    }

    /// As [`Stack::deploy`], of another template.
    ///
    /// # Errors
    /// As [`Stack::deploy`].
    pub async fn deploy_template(
        &self,
        name: &str,
        options: &Options,
        template: Value,
    ) -> Result<Deployment, BoxError> {
        let url = self.upload_artifacts(template, options).await?;
        Deployment::create(self.config().await, self.database_for(name).await?, name, &url, options).await
    }

    /// Deploys the template under a name of its own, with a database of its own.
    ///
    /// # Errors
    /// As [`Stack::deploy`].
    pub async fn deploy_anew(&self, options: &Options) -> Result<Deployment, BoxError> {
        self.deploy_changed(options, template::read()?).await
    }

    /// As [`Stack::deploy_anew`], of another template.
    ///
    /// # Errors
    /// As [`Stack::deploy`].
    pub async fn deploy_changed(&self, options: &Options, template: Value) -> Result<Deployment, BoxError> {
        let number = self.next_name.fetch_add(1, Ordering::Relaxed);
        self.deploy_template(&format!("test-{number}"), options, template).await
    }

    /// Leaves in `folder` what `sam build` would: the template, the children of its kinds, the code and the
    /// definitions that they name. Returns the template's path.
    ///
    /// # Errors
    /// As the file system has it.
    pub fn build_into(&self, folder: &Path) -> Result<PathBuf, BoxError> {
        for package in &self.packages {
            fs::write(folder.join(&package.name), package.zip()?)?;
        }
        let code = |binary: &str| {
            let package = self.packages.iter().find(|package| package.function == binary)?;
            Some(Artifact::File(package.name.clone()))
        };
        let artifacts = Artifacts { code: &code, definition: &|file| Some(Artifact::File(file.to_owned())) };
        let mut root = template::root()?;
        template::package(&mut root, &artifacts)?;
        for job in template::all_jobs()? {
            let name = job.location.trim_start_matches("statemachine/");
            let mut child = template::parse(&fs::read_to_string(template::kinds_folder().join(name))?)?;
            for file in template::definition_files(&child) {
                fs::copy(template::kinds_folder().join(&file), folder.join(&file))?;
            }
            template::package(&mut child, &artifacts)?;
            fs::write(folder.join(name), format!("{child:#}"))?;
            root["Resources"][&job.id]["Properties"]["Location"] = name.into();
        }
        let path = folder.join("template.yaml");
        fs::write(&path, format!("{root:#}"))?;
        Ok(path)
    }

    /// The database of the stack `name`, made if need be, unless the server is the user's own; returns its URL, for
    /// the template's parameter.
    ///
    /// # Errors
    /// As the server has it.
    pub async fn database_for(&self, name: &str) -> Result<String, BoxError> {
        if !self.owns_database_server() {
            return Ok(self.database_url(""));
        }
        let database = name.replace('-', "_");
        let mut connection = PgConnection::connect(&self.database_url("postgres")).await?;
        let is_there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(&database)
            .fetch_one(&mut connection)
            .await?;
        if !is_there {
            sqlx::query(AssertSqlSafe(format!("create database \"{database}\""))).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(self.database_url(&database))
    }

    /// The stack `name` that something else deployed, with the database that was made for it.
    ///
    /// # Errors
    /// If it is not there, or not complete.
    pub async fn deployed(&self, name: &str) -> Result<Deployment, BoxError> {
        Deployment::find(self.config().await, name, self.database_for(name).await?).await
    }

    /// Uploads code, definitions and the template that refers to them, unless they are there already; returns the
    /// template's URL. CloudFormation takes at most 51,200 bytes of a template itself.
    async fn upload_artifacts(&self, mut template: Value, options: &Options) -> Result<String, BoxError> {
        let s3 = sluice::aws::s3(&self.config().await);
        // It may exist already: that is as good.
        let _ = s3.create_bucket().bucket(ARTIFACTS).send().await;
        for package in &self.packages {
            if s3.head_object().bucket(ARTIFACTS).key(&package.name).send().await.is_err() {
                let put = s3.put_object().bucket(ARTIFACTS).key(&package.name);
                put.body(package.reference()?.into()).send().await?;
            }
        }
        let object = |key: &str| Artifact::Object(ARTIFACTS.to_owned(), key.to_owned());
        let mut definitions = BTreeMap::new();
        for file in template::definition_files(&template) {
            let text = fs::read(template::kinds_folder().join(&file))?;
            let key = format!("{:016x}-{file}", fingerprint(&text));
            s3.put_object().bucket(ARTIFACTS).key(&key).body(text.into()).send().await?;
            definitions.insert(file, key);
        }
        let package = |binary: &str| self.packages.iter().find(|package| package.function == binary);
        if !template::binaries_of(&template).iter().all(|binary| package(binary).is_some()) {
            let put = s3.put_object().bucket(ARTIFACTS).key(NOT_BUILT);
            put.body(binaries::stand_in()?.into()).send().await?;
        }
        let built = |binary: &str| package(binary).map_or(NOT_BUILT, |package| package.name.as_str());
        let code = |binary: &str| (!binary.is_empty()).then(|| object(built(binary)));
        let definition = |file: &str| definitions.get(file).map(|key: &String| object(key));
        let artifacts = Artifacts { code: &code, definition: &definition };
        template::respecify(&mut template, &options.spec)?;
        template::package(&mut template, &artifacts)?;
        let body = template.to_string();
        let key = format!("{:016x}-template.json", fingerprint(body.as_bytes()));
        s3.put_object().bucket(ARTIFACTS).key(&key).body(body.into_bytes().into()).send().await?;
        Ok(format!("{}/{ARTIFACTS}/{key}", self.endpoint()))
    }
}

/// A URL that names user, host and port, which the template takes apart, and at which somebody answers.
fn checked(url: String, report: &dyn Fn(&str)) -> Result<String, SetupError> {
    let Some(address) = Some(deployment::address_in(&url)).filter(|address| address.contains(':')) else {
        return Err(SetupError::failed(
            "DATABASE_URL names no user, host and port.",
            "Write it as postgres://user:password@host:5432/database, or unset it to get a server of its own.",
        ));
    };
    if !is_near(address) {
        return Err(SetupError::failed(
            format!("DATABASE_URL names {address}, which is neither this machine nor in its private network."),
            "Name one that is, or unset it to get a server of its own.",
        ));
    }
    report(&format!("using the database of DATABASE_URL, at {address}"));
    match TcpStream::connect(address) {
        Ok(_) => Ok(url),
        Err(error) => {
            let what = format!("The database of DATABASE_URL does not answer at {address}.");
            Err(SetupError::absent(what, "Start it, or unset DATABASE_URL to get a server of its own.")
                .caused_by(error))
        }
    }
}

/// What the template takes: its parameter is for one machine, and must not carry a password to an account.
fn is_near(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    match host.parse::<Ipv4Addr>() {
        Ok(address) => address.is_loopback() || address.is_private(),
        Err(_) => host == "localhost",
    }
}

/// Deletes what a stack keeps in `state_dir`, and the folder if there is nothing else in it.
///
/// # Errors
/// If the stack runs, or something cannot be deleted.
pub(crate) fn erase(state_dir: &Path) -> Result<(), SetupError> {
    if !state_dir.exists() {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        SetupError::failed(format!("{} cannot be deleted.", state_dir.display()), "Delete it by hand.").caused_by(error)
    };
    let _lock = hold(state_dir)?;
    Postgres::erase(state_dir)?;
    Mysql::erase(state_dir)?;
    Postgres::erase(&state_dir.join("bench"))?;
    for name in [
        "bench",
        "emulator",
        "emulator.log",
        "emulator.lock",
        "mysql",
        "mysql.log",
        "mysql.lock",
        "redshift.log",
        "postgres",
        "postgres.log",
        "postgres.lock",
        "env",
        "events",
        "page",
        "lock",
    ] {
        let path = state_dir.join(name);
        let deleted = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        deleted.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(failed(error)) })?;
    }
    // Somebody else's files stay.
    let _ = fs::remove_dir(state_dir);
    Ok(())
}

/// Holds the folder for one stack at a time.
fn hold(state_dir: &Path) -> Result<File, SetupError> {
    let busy = || {
        let what = format!("The stack in {} is running already.", state_dir.display());
        SetupError::busy(what, "Use it, or end it first.")
    };
    let lock = File::create(state_dir.join("lock")).map_err(|error| busy().caused_by(error))?;
    lock.try_lock().map_err(|_| busy())?;
    Ok(lock)
}

/// Deletes the folders of tests whose process has ended: a stack that lives as long as its process is never dropped.
/// Without `/proc` they stay.
fn clear_ended_tests() {
    let processes = Path::new("/proc");
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix("sluice-test-").and_then(|rest| rest.split('-').next());
        let has_ended =
            process.is_some_and(|process| processes.join("self").exists() && !processes.join(process).exists());
        if has_ended {
            drop(Scratch(entry.path()));
        }
    }
}

/// Where downloaded tools are kept, for all checkouts of this user.
pub fn tools_dir() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache");
    cache.unwrap_or_else(home).join("sluice").join("tools")
}

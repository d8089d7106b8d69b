//! The template, deployed as one stack, with a database of its own: what an engineer has after `sam deploy`.

use crate::BoxError;
use crate::execution::Execution;
use crate::template::{self, Job};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::{Capability, Parameter};
use aws_sdk_s3::primitives::ByteStream;
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long CloudFormation may take.
const DEPLOY_TIMEOUT: Duration = Duration::from_secs(120);

/// What the functions built here run on, as Lambda calls it.
pub const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// The metadata by which an uploaded file is known again.
const UPLOADED_VERSION: &str = "uploaded-version";

/// The template's parameters, as far as they are not always the same here.
#[derive(Clone, Debug)]
pub struct Options {
    /// Start an execution for every uploaded object.
    pub s3_trigger: bool,
    /// Values of other parameters.
    pub parameters: BTreeMap<&'static str, String>,
    /// Texts of the jobs' specs, and what stands in their place.
    pub spec: Vec<(&'static str, &'static str)>,
}

impl Default for Options {
    /// Nothing starts by itself; everything else as the template has it.
    fn default() -> Self {
        Self { s3_trigger: false, parameters: BTreeMap::new(), spec: Vec::new() }
    }
}

/// One job of a deployed stack.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The stack's name.
    pub name: String,
    /// Its bucket.
    pub bucket: String,
    /// The job's name.
    pub job: String,
    /// The keys of its input start with this; empty if it loads no files.
    pub prefix: String,
    /// Its state machine.
    pub state_machine_arn: String,
    /// Its database instance, as the RDS API knows it.
    pub database_instance: String,
    /// The database that the stack's functions load into.
    pub database_url: String,
    /// What an administrator's AWS clients need.
    pub config: SdkConfig,
}

impl Deployment {
    /// Creates or updates the stack `name` from the template at `url`, with functions that load into the database at
    /// `database_url`.
    pub(crate) async fn create(
        config: SdkConfig,
        database_url: String,
        name: &str,
        url: &str,
        options: &Options,
    ) -> Result<Self, BoxError> {
        let client = aws_sdk_cloudformation::Client::new(&config);
        let state = |is_on: bool| if is_on { "ENABLED" } else { "DISABLED" }.to_owned();
        let mut values = BTreeMap::from([
            ("DatabaseUrl", database_url.clone()),
            ("Architecture", ARCHITECTURE.to_owned()),
            ("S3TriggerState", state(options.s3_trigger)),
            ("ScheduleState", state(false)),
            // The mode with more to see: the database is opened and closed by every run.
            ("NetworkMode", "toggle".to_owned()),
        ]);
        values.extend(options.parameters.clone());
        let parameters: Vec<Parameter> = values
            .into_iter()
            .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build())
            .collect();
        let capabilities = vec![Capability::CapabilityIam, Capability::CapabilityAutoExpand];
        if client.describe_stacks().stack_name(name).send().await.is_ok() {
            let update = client.update_stack().stack_name(name).template_url(url);
            let updated = update.set_parameters(Some(parameters)).set_capabilities(Some(capabilities)).send().await;
            let is_up_to_date = |error: &str| error.contains("No updates are to be performed");
            if let Err(error) = updated {
                let error = aws_sdk_cloudformation::error::DisplayErrorContext(error).to_string();
                if !is_up_to_date(&error) {
                    return Err(error.into());
                }
            }
        } else {
            let create = client.create_stack().stack_name(name).template_url(url);
            create.set_parameters(Some(parameters)).set_capabilities(Some(capabilities)).send().await?;
        }
        Self::find(config, name, database_url).await
    }

    /// The reference job of the stack `name`, by whatever means it was deployed, once that is done.
    pub(crate) async fn find(config: SdkConfig, name: &str, database_url: String) -> Result<Self, BoxError> {
        let outputs = wait_until_done(&aws_sdk_cloudformation::Client::new(&config), name).await?;
        let output = |key: &str| outputs.get(key).cloned().ok_or_else(|| format!("the template has no output {key}"));
        let jobs = template::all_jobs()?;
        let job = template::reference(&jobs).ok_or("template.yaml has no job")?;
        Ok(Self {
            name: name.to_owned(),
            bucket: output("BucketName")?,
            job: job.name.clone(),
            prefix: job.prefix().to_owned(),
            state_machine_arn: format!("{}{}", output("StateMachineArnPrefix")?, job.name),
            database_instance: output("DatabaseInstance")?,
            database_url,
            config,
        })
    }

    /// Another job of the same stack.
    pub fn of_job(&self, job: &Job) -> Self {
        let (before, _) = self.state_machine_arn.rsplit_once(':').unwrap_or_default();
        Self {
            job: job.name.clone(),
            prefix: job.prefix().to_owned(),
            state_machine_arn: format!("{before}:{}-{}", self.name, job.name),
            ..self.clone()
        }
    }

    /// The name of one of the job's functions, or of one that all jobs share.
    pub fn function_name(&self, function: &str) -> String {
        match function {
            "database-access" => format!("{}-{function}", self.name),
            _ => format!("{}-{}-{function}", self.name, self.job),
        }
    }

    /// Host and port of the database.
    pub fn database_address(&self) -> String {
        address_in(&self.database_url).to_owned()
    }

    /// An S3 client.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        sluice::aws::s3(&self.config)
    }

    /// A Step Functions client.
    pub fn sfn(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.config)
    }

    /// A connection to the database.
    ///
    /// # Errors
    /// As the server has it.
    pub async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&self.database_url).await
    }

    /// Puts an object under the job's prefix; returns its entity tag.
    ///
    /// # Errors
    /// As S3 has it.
    pub async fn upload(&self, name: &str, body: impl Into<ByteStream>) -> Result<String, BoxError> {
        let put = self.s3().put_object().bucket(&self.bucket).key(format!("{}{name}", self.prefix));
        Ok(put.body(body.into()).send().await?.e_tag.unwrap_or_default())
    }

    /// Puts a file under the job's prefix unless it is there already, as it is now: an object remembers the size and
    /// the exact modification time of the file that it was made from. Says whether it did.
    ///
    /// # Errors
    /// As the file system and S3 have it.
    pub async fn upload_if_changed(&self, name: &str, path: &Path) -> Result<bool, BoxError> {
        let metadata = std::fs::metadata(path)?;
        let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let version = format!("{} bytes at {modified}", metadata.len());
        let key = format!("{}{name}", self.prefix);
        let head = self.s3().head_object().bucket(&self.bucket).key(&key).send().await;
        let is_there = head.is_ok_and(|head| {
            head.metadata()
                .and_then(|metadata| metadata.get(UPLOADED_VERSION))
                .is_some_and(|uploaded| *uploaded == version)
        });
        if !is_there {
            let put = self.s3().put_object().bucket(&self.bucket).key(&key).metadata(UPLOADED_VERSION, version);
            put.body(ByteStream::from_path(path).await?).send().await?;
        }
        Ok(!is_there)
    }

    /// Starts an execution.
    ///
    /// # Errors
    /// As Step Functions has it.
    pub async fn start(&self, input: &serde_json::Value) -> Result<Execution, BoxError> {
        let start = self.sfn().start_execution().state_machine_arn(&self.state_machine_arn);
        let started = start.input(input.to_string()).send().await?;
        Ok(Execution::new(self.sfn(), started.execution_arn))
    }

    /// Whether the database instance can be reached from outside right now.
    ///
    /// # Errors
    /// As RDS has it.
    pub async fn is_database_public(&self) -> Result<bool, BoxError> {
        let client = aws_sdk_rds::Client::new(&self.config);
        let described = client.describe_db_instances().db_instance_identifier(&self.database_instance).send().await?;
        Ok(described.db_instances().iter().any(|instance| instance.publicly_accessible() == Some(true)))
    }
}

/// Host and port in a database's URL; empty if it names no user.
pub(crate) fn address_in(url: &str) -> &str {
    let address = url.split_once('@').map_or("", |(_, address)| address);
    address.split(['/', '?']).next().unwrap_or_default()
}

/// Waits for CloudFormation; returns the stack's outputs.
async fn wait_until_done(
    client: &aws_sdk_cloudformation::Client,
    name: &str,
) -> Result<BTreeMap<String, String>, BoxError> {
    let deadline = Instant::now() + DEPLOY_TIMEOUT;
    loop {
        let described = client.describe_stacks().stack_name(name).send().await?;
        let stack = described.stacks().first().ok_or("the stack is not there")?;
        let status = stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
        match status.as_str() {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" => {
                let outputs = stack.outputs().iter();
                return Ok(outputs
                    .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
                    .collect());
            }
            _ if status.ends_with("_IN_PROGRESS") && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => {
                let events = client.describe_stack_events().stack_name(name).send().await?;
                let reasons: Vec<String> = events
                    .stack_events()
                    .iter()
                    .filter(|event| event.resource_status().is_some_and(|status| status.as_str().ends_with("FAILED")))
                    .filter_map(|event| {
                        Some(format!("{}: {}", event.logical_resource_id()?, event.resource_status_reason()?))
                    })
                    .collect();
                return Err(format!("the stack {name} is {status}: {}", reasons.join("; ")).into());
            }
        }
    }
}

//! A schema of MySQL and a database of Redshift per test, and a run of all functions.

mod auditing;

use aws_sdk_cloudformation::types::{Capability, StackStatus};
use export_table::export::Reading;
use local::stack::Stack;
use plan_export::prepare::Users;
use redshift::warehouse::{Place, Warehouse};
use serde_json::{Value, json};
use sluice::contract::copy_table::WindowIndex;
use sluice::contract::mysql_to_redshift::{
    ConcludeLoadInput, ConcludeLoadOutput, Export, ExportInput, ExportTableInput, ExportTableState, InspectInput,
    LoadInput, LoadRedshiftInput, Parts, Plan, PlanExportInput, PlanExportOutput,
};
use sluice::contract::{Execution, ObjectRef};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::store::Store;
use sluice::{Result, aws};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A number that no other one of this process is.
pub(crate) fn next() -> u32 {
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// The servers of all tests, started by the first one. They end with this process.
async fn stack() -> Arc<Stack> {
    static STACK: OnceLock<Arc<Stack>> = OnceLock::new();
    tokio::task::spawn_blocking(|| {
        let start = || {
            let stack = Stack::for_tests().unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
            let report = |text: &str| eprintln!("{text}");
            stack.warehouse(&report).map(drop).unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
            Arc::new(stack)
        };
        STACK.get_or_init(start).clone()
    })
    .await
    .unwrap()
}

/// A test's own world.
pub(crate) struct Lab {
    stack: Arc<Stack>,
    /// The schema of MySQL, and the database of Redshift.
    pub name: String,
    pub store: Store,
    pub warehouse: Warehouse,
    pub role: String,
    export_context: Arc<export_table::handler::Context>,
    plan_context: Arc<plan_export::handler::Context>,
}

/// A bucket, and a role by which Redshift reads a folder of it.
const TEMPLATE: &str = r#"
Parameters: {Folder: {Type: String}}
Resources:
  Bucket: {Type: AWS::S3::Bucket}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: redshift.amazonaws.com}, Action: "sts:AssumeRole"}]
      Policies:
        - PolicyName: read
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: "s3:GetObject", Resource: !Sub "arn:aws:s3:::${Bucket}/${Folder}/*"}
              - {Effect: Allow, Action: "s3:ListBucket", Resource: !Sub "arn:aws:s3:::${Bucket}"}
Outputs:
  Bucket: {Value: !Ref Bucket}
  Role: {Value: !GetAtt Role.Arn}
"#;

impl Lab {
    pub(crate) async fn new() -> Self {
        Self::with_role_for("intermediate_data").await
    }

    /// With a role that reads this folder only.
    pub(crate) async fn with_role_for(folder: &str) -> Self {
        Self::at(folder, &[("REDSHIFT_WORKGROUP", "warehouse")]).await
    }

    /// In a Redshift that the functions find by these variables.
    pub(crate) async fn at(folder: &str, place: &[(&str, &str)]) -> Self {
        let stack = stack().await;
        let name = format!("lab_{}_{}", std::process::id(), next());
        let servers = stack.warehouse(&|_| {}).unwrap();
        servers.make_database(&name).await.unwrap();
        let mut root = MySqlConnection::connect(&servers.mysql_url("mysql")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("create database `{name}`"))).execute(&mut root).await.unwrap();
        let config = stack.config().await;
        let [bucket, role] = made(&config, &name.replace('_', "-"), folder).await;
        let of_redshift = config.to_builder().endpoint_url(format!("http://{}", servers.address())).build();
        let lookup = |name: &str| place.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut env = Env::new(&lookup);
        let place = Place::from_env(&mut env);
        let warehouse = Warehouse::new(&of_redshift, env.finish(place).unwrap(), name.clone());
        let store = Store::new(aws::s3(&config), bucket.clone());
        let url = mysql_url(servers.mysql_url(&name), &name);
        let lookup = |variable: &str| match variable {
            "BUCKET" => Some(bucket.clone()),
            "MYSQL_URL" => Some(url.clone()),
            _ => None,
        };
        let export_context = export_table::handler::Context::new(&lookup, config.clone()).unwrap();
        let users = Users {
            plan: format!("IAMR:plan {name}"),
            load: format!("IAMR:load {name}"),
            copy_role: role.clone(),
            // As PostgreSQL knows it.
            database: format!("redshift_{name}"),
        };
        let plan_context = plan_export::handler::Context::of(store.clone(), warehouse.clone(), users);
        Self {
            stack,
            name,
            store,
            warehouse,
            role,
            export_context: Arc::new(export_context),
            plan_context: Arc::new(plan_context),
        }
    }

    pub(crate) fn plan_context(&self) -> Arc<plan_export::handler::Context> {
        self.plan_context.clone()
    }

    /// A function that reads MySQL, as another user than the one who may do everything.
    pub(crate) async fn export_context_of(&self, user: &str, password: &str) -> Arc<export_table::handler::Context> {
        let url = mysql_url(self.servers().mysql_url(&self.name), &self.name);
        let url = format!("mysql://{user}:{password}@{}", url.rsplit_once('@').unwrap().1);
        let lookup = |variable: &str| match variable {
            "BUCKET" => Some(self.store.bucket().to_owned()),
            "MYSQL_URL" => Some(url.clone()),
            _ => None,
        };
        Arc::new(export_table::handler::Context::new(&lookup, self.stack.config().await).unwrap())
    }

    /// User and password of who may do everything in MySQL.
    pub(crate) fn mysql_administrator(&self) -> [String; 2] {
        let url = self.servers().mysql_url(&self.name);
        let login = url.strip_prefix("mysql://").unwrap().rsplit_once('@').unwrap().0;
        let (user, password) = login.split_once(':').unwrap();
        [user.to_owned(), password.to_owned()]
    }

    fn servers(&self) -> &local::warehouse::Warehouse {
        self.stack.warehouse(&|_| {}).unwrap()
    }

    pub(crate) async fn mysql(&self) -> MySqlConnection {
        MySqlConnection::connect(&mysql_url(self.servers().mysql_url(&self.name), &self.name)).await.unwrap()
    }

    /// What a reader of the warehouse sees, past the Data API.
    pub(crate) async fn redshift(&self) -> PgConnection {
        PgConnection::connect(&self.servers().url(&self.name)).await.unwrap()
    }

    pub(crate) async fn in_mysql(&self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut self.mysql().await).await.unwrap();
    }

    pub(crate) async fn in_redshift(&self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut self.redshift().await).await.unwrap();
    }

    /// Rows of a query in MySQL, each as a text.
    pub(crate) async fn source(&self, query: &str) -> Vec<String> {
        let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(&mut self.mysql().await).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        rows.iter().map(|row| text(row.try_get_unchecked::<&[u8], _>(0).unwrap())).collect()
    }

    /// Rows of a query in Redshift, each as a text.
    pub(crate) async fn target(&self, query: &str) -> Vec<String> {
        let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(&mut self.redshift().await).await.unwrap();
        rows.iter().map(|row| row.try_get_unchecked::<String, _>(0).unwrap()).collect()
    }

    /// Changes the settings of the stand-in for this database, and what is to befall its next calls.
    pub(crate) fn settings(&self, mut settings: Value) {
        settings["database"] = json!(self.name);
        self.post("/_settings", "", &settings);
    }

    /// Ends a batch, as somebody does in the console.
    pub(crate) fn cancel(&self, id: &str) {
        self.call("CancelStatement", &json!({"Id": id}));
    }

    /// The texts of all batches whose names begin so, of any database.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let answer = self.call("ListStatements", &json!({"StatementName": name}));
        let texts =
            answer["Statements"].as_array().unwrap().iter().flat_map(|one| one["QueryStrings"].as_array().unwrap());
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    fn call(&self, operation: &str, request: &Value) -> Value {
        let target = format!("X-Amz-Target: RedshiftData.{operation}\r\n");
        let headers = format!("{target}Authorization: AWS4-HMAC-SHA256 any\r\n");
        let answer = self.post("/", &headers, request);
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    fn post(&self, path: &str, headers: &str, body: &Value) -> String {
        let body = body.to_string();
        let mut stream = TcpStream::connect(self.servers().address()).unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\nContent-Length: {}", body.len());
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// Both tables hold the same rows of `nps`.
    pub(crate) async fn assert_nps_equal(&self) {
        let source = self.source(
            "select concat_ws('|', id, coalesce(cast(created_at as char), '-'), coalesce(score, '-')) from nps order by id",
        );
        let target = self.target(
            "select concat_ws('|', id, coalesce(created_at::text, '-'), coalesce(score::text, '-')) from nps order by id",
        );
        assert_eq!(source.await, target.await);
    }

    pub(crate) fn load_context(&self) -> Arc<load_redshift::handler::Context> {
        let context =
            load_redshift::handler::Context::of(self.store.clone(), self.warehouse.clone(), self.role.clone());
        Arc::new(context)
    }

    /// The state `LoadRedshift`, and the loop behind it.
    pub(crate) async fn load(&self, run: &Run, index: u32, export: &ObjectRef) -> Result<()> {
        let mut statement = None;
        loop {
            let input = LoadInput {
                execution: run.execution.clone(),
                plan: run.plan.clone().unwrap(),
                window: WindowIndex { index },
                export: export.clone(),
                statement: statement.clone(),
            };
            let input = match statement {
                None => LoadRedshiftInput::Load(input),
                Some(_) => LoadRedshiftInput::Status(input),
            };
            match load_redshift::handler::handle(self.load_context(), invocation(), input).await? {
                load_redshift::handler::Output::Load(output) if output.is_loaded => return Ok(()),
                load_redshift::handler::Output::Load(output) => statement = Some(output.statement),
                other => panic!("it was not asked for: {other:?}"),
            }
        }
    }

    pub(crate) async fn conclude(&self, run: &Run) -> Result<ConcludeLoadOutput> {
        let input = ConcludeLoadInput { execution: run.execution.clone(), plan: run.plan.clone().unwrap() };
        let input = LoadRedshiftInput::Conclude(input);
        match load_redshift::handler::handle(self.load_context(), invocation(), input).await? {
            load_redshift::handler::Output::Conclude(output) => Ok(output),
            other => panic!("it was not asked for: {other:?}"),
        }
    }

    /// The states `InspectSource` and `PlanExport`.
    pub(crate) async fn plan(&self, parts: &Value, input: Value) -> Result<Run> {
        self.plan_as(&execution(&format!("x{}", next())), parts, input).await
    }

    /// The state `InspectSource`: the input of the next one.
    pub(crate) async fn inspected(
        &self,
        execution: &Execution,
        parts: &Value,
        trigger: Value,
    ) -> Result<PlanExportInput> {
        let parts: Parts = serde_json::from_value(parts.clone()).unwrap();
        let inspect = InspectInput { execution: execution.clone(), parts: parts.clone() };
        let inspect = ExportTableInput::State(ExportTableState::Inspect(inspect));
        let table = match export_table::handler::handle(self.export_context.clone(), invocation(), inspect).await? {
            export_table::handler::Output::Inspect(output) => output.table,
            other => panic!("it was not asked for: {other:?}"),
        };
        Ok(PlanExportInput { execution: execution.clone(), parts, table, trigger })
    }

    pub(crate) async fn plan_as(&self, execution: &Execution, parts: &Value, trigger: Value) -> Result<Run> {
        let input = self.inspected(execution, parts, trigger).await?;
        let output = plan_export::handler::plan(&self.plan_context, &invocation(), &input).await?;
        Ok(Run { execution: execution.clone(), plan: output.plan.clone(), output })
    }

    /// The state `ExportTable`, until all is read.
    pub(crate) async fn export(&self, run: &Run, index: u32) -> Result<ObjectRef> {
        let mut export = None;
        loop {
            let plan = run.plan.clone().unwrap();
            let input = ExportInput { execution: run.execution.clone(), plan, window: WindowIndex { index }, export };
            let input = ExportTableInput::State(ExportTableState::Export(input));
            match export_table::handler::handle(self.export_context.clone(), invocation(), input).await? {
                export_table::handler::Output::Export(output) if output.is_done => return Ok(output.export),
                export_table::handler::Output::Export(output) => export = Some(output.export),
                other => panic!("it was not asked for: {other:?}"),
            }
        }
    }

    /// A reading with small parts and no time: as many calls as it takes. Says how many.
    pub(crate) async fn export_bit_by_bit(&self, run: &Run, part_bytes: u64) -> (Export, usize) {
        let plan: Plan = self.store.read_json(run.plan.as_ref().unwrap()).await.unwrap();
        let (mut export, mut calls) = (None, 0);
        loop {
            let prefix = format!("intermediate_data/nps/bits/{}/{calls}/", next());
            let reading = Reading { plan: &plan, window: &plan.windows[0], deadline: Instant::now() };
            let mut sink = export_table::parts::Parts::new(&self.store, prefix, part_bytes);
            let mut read = reading.run(&mut self.mysql().await, export, &mut sink).await.unwrap();
            read.parts.extend(sink.finish().await.unwrap());
            calls += 1;
            if read.after.is_none() {
                return (read, calls);
            }
            export = Some(read);
        }
    }

    /// A whole execution.
    pub(crate) async fn run(&self, parts: &Value, input: Value) -> Result<ConcludeLoadOutput> {
        let run = self.plan(parts, input).await?;
        for window in &run.output.windows {
            let export = self.export(&run, window.index).await?;
            self.load(&run, window.index, &export).await?;
        }
        self.conclude(&run).await
    }

    /// What was read of a window, changed.
    pub(crate) async fn tampered(&self, export: &ObjectRef, change: impl FnOnce(&mut Export)) -> ObjectRef {
        let mut document: Export = self.store.read_json(export).await.unwrap();
        change(&mut document);
        let folder = export.key.rsplit_once('/').unwrap().0;
        self.store.write_json(&format!("{folder}/tampered-{}.json", next()), &document).await.unwrap()
    }
}

/// A planned execution.
pub(crate) struct Run {
    pub execution: Execution,
    pub plan: Option<ObjectRef>,
    pub output: PlanExportOutput,
}

/// Of a server of the user's own the URL names another schema.
fn mysql_url(url: String, name: &str) -> String {
    let (before, _) = url.rsplit_once('/').unwrap();
    format!("{before}/{name}")
}

async fn made(config: &aws_config::SdkConfig, name: &str, folder: &str) -> [String; 2] {
    use aws_sdk_cloudformation::types::Parameter;
    let client = aws_sdk_cloudformation::Client::new(config);
    let folder = Parameter::builder().parameter_key("Folder").parameter_value(folder).build();
    let create = client.create_stack().stack_name(name).template_body(TEMPLATE).parameters(folder);
    create.capabilities(Capability::CapabilityIam).send().await.unwrap();
    loop {
        let described = client.describe_stacks().stack_name(name).send().await.unwrap();
        let stack = &described.stacks()[0];
        match stack.stack_status() {
            Some(StackStatus::CreateComplete) => {
                return ["Bucket", "Role"].map(|key| {
                    let output = stack.outputs().iter().find(|output| output.output_key() == Some(key));
                    output.unwrap().output_value().unwrap().to_owned()
                });
            }
            Some(StackStatus::CreateInProgress) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => panic!("{other:?}"),
        }
    }
}

/// An execution of the job `nps`, started in August 2018.
pub(crate) fn execution(name: &str) -> Execution {
    Execution {
        job: "nps".into(),
        id: format!("arn:aws:states:us-east-1:000000000000:execution:test-nps:{name}-{}", std::process::id()),
        name: name.into(),
        started_at: "2018-08-02T02:30:00.000Z".into(),
        state_machine: "arn:aws:states:us-east-1:000000000000:stateMachine:test-nps".into(),
    }
}

/// One call of a function, with a quarter of an hour.
pub(crate) fn invocation() -> Invocation {
    invocation_of(Duration::from_secs(900))
}

/// One call of a function with this long to go.
pub(crate) fn invocation_of(time: Duration) -> Invocation {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time;
    Invocation { attempt: format!("attempt-{}", next()), deadline_ms: u64::try_from(now.as_millis()).unwrap() }
}

impl Lab {
    /// The spec of a job that loads `nps` in a mode.
    pub(crate) fn nps(&self, mode: &str) -> Value {
        let windows = match mode {
            "replace" => Value::Null,
            _ => json!({"cursor": "created_at", "zone": "UTC", "window": "1 day", "start": "2018-07-01"}),
        };
        json!({
            "source": {"schema": self.name, "table": "nps"},
            "target": {"table": "nps", "key": ["id"], "mode": mode, "create": true},
            "windows": windows,
        })
    }

    /// The table of the original, with `count` rows, one every 40 minutes from July 2018 on; every tenth has no score.
    pub(crate) async fn make_nps(&self, count: u32) {
        self.in_mysql(
            "create table nps (id int not null auto_increment primary key, created_at timestamp null, score smallint, \
             key (created_at))",
        )
        .await;
        let numbers: Vec<String> = (1..=count)
            .map(|id| {
                let minutes = (id - 1) * 40;
                let score = if id % 10 == 0 { "null".to_owned() } else { (id % 11).to_string() };
                format!("({id}, '2018-07-01' + interval {minutes} minute, {score})")
            })
            .collect();
        for some in numbers.chunks(1_000) {
            self.in_mysql(&format!("insert into nps values {}", some.join(", "))).await;
        }
    }
}

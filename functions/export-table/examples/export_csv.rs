//! Reads a table of MySQL as the function does, and drops the CSV: `MYSQL_URL=... export_csv PLAN` reads the first
//! window of a plan, as `plan-export` writes it, and prints what was read as JSON: rows, bytes, and what the columns
//! add up to.

use export_table::connect::Server;
use export_table::export::{Reading, Sink};
use sluice::Result;
use sluice::contract::mysql_to_redshift::Plan;
use sluice::env::Env;
use std::time::{Duration, Instant};

/// Longer than any bench.
const TIME: Duration = Duration::from_secs(3_600);

/// Takes CSV, and that is all.
struct Nowhere;

impl Sink for Nowhere {
    async fn write(&mut self, csv: &[u8]) -> Result<()> {
        std::hint::black_box(csv);
        Ok(())
    }
}

// As the function's own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("the file of a plan is missing")?;
    let plan: Plan = serde_json::from_slice(&std::fs::read(path)?)?;
    let window = plan.windows.first().ok_or("the plan has no window")?;
    let lookup = |name: &str| std::env::var(name).ok();
    let mut env = Env::new(&lookup);
    let server = Server::from_env(&mut env);
    let server = env.finish(server)?;
    let mut connection = server.connect(&aws_config::SdkConfig::builder().build()).await?;
    let reading = Reading { plan: &plan, window, deadline: Instant::now() + TIME };
    let export = reading.run(&mut connection, None, &mut Nowhere).await?;
    println!("{}", serde_json::to_string(&export)?);
    Ok(())
}

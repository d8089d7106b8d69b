//! What one function instance keeps: clients, and where things are.

use sluice::env::Env;
use sluice::store::Store;
use sluice::{Result, aws};

/// What one function instance keeps.
pub(crate) struct Context {
    pub(crate) athena: aws_sdk_athena::Client,
    pub(crate) glue: aws_sdk_glue::Client,
    pub(crate) store: Store,
    pub(crate) workgroup: String,
}

impl Context {
    /// Reads `BUCKET` and `WORKGROUP`, and makes the clients.
    pub(crate) async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let (bucket, workgroup) = (env.required("BUCKET"), env.required("WORKGROUP"));
        let (bucket, workgroup) = env.finish((bucket, workgroup))?;
        let config = aws::config().await;
        let (athena, glue) = (aws_sdk_athena::Client::new(&config), aws_sdk_glue::Client::new(&config));
        Ok(Self { athena, glue, store: Store::new(aws::s3(&config), bucket), workgroup })
    }
}

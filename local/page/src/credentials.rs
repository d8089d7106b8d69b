//! Who asks: the credentials of the usual profile. Those of a login by browser are asked of the AWS command line, which
//! has them; so nothing of that login is built in here.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_sfn::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use hyper::Uri;
use serde::Deserialize;
use std::net::IpAddr;
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use tokio::process::Command;

/// What `aws configure export-credentials` prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// The configuration of all clients. Nothing is tried again by them: the page paces its calls itself.
pub async fn config(profile: Option<&str>, region: Option<&str>) -> SdkConfig {
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(5))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .http_client(sluice::aws::http_client());
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config = loader.load().await;
    // Keys in the environment go before a profile, as everywhere in AWS.
    if profile.is_none() && std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        return config;
    }
    following(config, PROGRAM, profile)
}

/// With the credentials of the AWS command line, whether it has some already or only after the next login; where it is
/// not there, or knows of none, with those of the usual places.
fn following(config: SdkConfig, program: &str, profile: Option<&str>) -> SdkConfig {
    let provider = Exporting {
        program: program.to_owned(),
        profile: profile.map(ToOwned::to_owned),
        others: config.credentials_provider(),
    };
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

/// Whether what these clients ask is on this machine.
pub fn is_here(config: &SdkConfig) -> bool {
    let address = config.endpoint_url().and_then(|url| url.parse::<Uri>().ok());
    let host = address.as_ref().and_then(Uri::host).unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The AWS command line.
const PROGRAM: &str = "aws";

/// Asks the AWS command line, and once more shortly before what it said expires, as the clients do of each provider: a
/// login lasts longer than one set of credentials, and a page is open all day.
#[derive(Debug)]
struct Exporting {
    program: String,
    profile: Option<String>,
    /// What is asked if there is no such login.
    others: Option<SharedCredentialsProvider>,
}

/// Why the AWS command line has given none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A login has expired.
    Expired,
    /// It is not there, or has no credentials.
    Nothing,
}

impl ProvideCredentials for Exporting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            match (exported(&self.program, self.profile.as_deref()).await, &self.others) {
                (Ok(found), _) => Ok(found),
                (Err(Refusal::Expired), _) => {
                    Err(CredentialsError::not_loaded("the credentials have expired: log in again"))
                }
                (Err(Refusal::Nothing), Some(others)) => others.provide_credentials().await,
                (Err(Refusal::Nothing), None) => Err(CredentialsError::not_loaded("there are no credentials")),
            }
        })
    }
}

/// The credentials that the AWS command line has.
async fn exported(program: &str, profile: Option<&str>) -> Result<Credentials, Refusal> {
    let mut command = Command::new(program);
    command.args(["configure", "export-credentials", "--format", "process"]);
    if let Some(profile) = profile {
        command.args(["--profile", profile]);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let Ok(Ok(output)) = tokio::time::timeout(Duration::from_secs(10), command.output()).await else {
        return Err(Refusal::Nothing);
    };
    // What it complains of is told by nobody else; the text itself is not repeated.
    let has_expired = String::from_utf8_lossy(&output.stderr).to_lowercase().contains("expired");
    read(&output.stdout).ok_or(if has_expired { Refusal::Expired } else { Refusal::Nothing })
}

fn read(text: &[u8]) -> Option<Credentials> {
    let exported: Exported = serde_json::from_slice(text).ok()?;
    let expires = exported.expiration.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(SystemTime::from);
    Some(Credentials::new(
        exported.access_key_id,
        exported.secret_access_key,
        exported.session_token,
        expires,
        "aws configure export-credentials",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Trouble;
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    /// A login that has expired before the page starts counts as soon as there is a new one; and credentials that are
    /// about to expire are asked for again, by the next call.
    #[tokio::test]
    async fn credentials_that_expire_are_asked_for_again() {
        let folder = std::env::temp_dir().join(format!("sluice-page-credentials-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (program, counter) = (folder.join("aws"), folder.join("asked"));
        let put = |script: &str| {
            std::fs::write(&program, script).unwrap();
            std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        };
        let write = |lasts: i64| {
            let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(lasts);
            let script = format!(
                "#!/bin/sh\necho >> {counter}\nn=$(wc -l < {counter})\n\
                 echo '{{\"Version\": 1, \"AccessKeyId\": \"AKIA'$n'\", \"SecretAccessKey\": \"hush\", \"Expiration\": \"{expires}\"}}'\n",
                counter = counter.display()
            );
            put(&script);
        };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let keys = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let keys = keys.clone();
                let answer = service_fn(move |request: Request<Incoming>| {
                    let given = request.headers()["authorization"].to_str().unwrap().to_owned();
                    let key = given.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
                    keys.lock().unwrap().push(key.unwrap().to_owned());
                    async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{\"executions\": []}")))) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(endpoint)
            .http_client(sluice::aws::http_client())
            .build();
        let client = aws_sdk_sfn::Client::new(&following(config, &program.display().to_string(), None));
        let ask = async || {
            let answer = client.list_executions().state_machine_arn("arn").send().await;
            answer.map(drop).map_err(|error| Trouble::of(&error))
        };
        put(
            "#!/bin/sh\necho 'Error when retrieving token from sso: Token has expired and refresh failed' >&2\nexit 255\n",
        );
        assert_eq!(ask().await, Err(Trouble::Expired));
        put("#!/bin/sh\necho 'Unable to retrieve credentials: no credentials found' >&2\nexit 253\n");
        assert!(matches!(ask().await, Err(Trouble::NoCredentials(_))));
        // The first ones are as good as expired; the second ones last.
        write(1);
        ask().await.unwrap();
        write(3_600);
        ask().await.unwrap();
        ask().await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["AKIA1", "AKIA2", "AKIA2"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Where there is no such program, the usual places are asked.
    #[tokio::test]
    async fn without_the_command_line_others_are_asked() {
        let others = Credentials::new("AKIAOTHER", "hush", None, None, "test");
        let config = SdkConfig::builder().credentials_provider(SharedCredentialsProvider::new(others)).build();
        let config = following(config, "/nowhere/aws", Some("p"));
        let found = config.credentials_provider().unwrap().provide_credentials().await.unwrap();
        assert_eq!(found.access_key_id(), "AKIAOTHER");
    }

    #[test]
    fn this_machine_is_told_from_others() {
        let is_here = |url: Option<&str>| {
            let mut config = SdkConfig::builder();
            config.set_endpoint_url(url.map(ToOwned::to_owned));
            super::is_here(&config.build())
        };
        for url in ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566/"] {
            assert!(is_here(Some(url)), "{url}");
        }
        for url in ["http://10.0.0.1:4566", "https://127.0.0.1.example", "http://localhost@aws.example", "127", ""] {
            assert!(!is_here(Some(url)), "{url}");
        }
        assert!(!is_here(None), "AWS itself");
    }

    #[test]
    fn what_the_command_line_prints_is_read() {
        let text = br#"{"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "hush", "SessionToken": "t",
                       "Expiration": "2026-11-26T04:00:00+00:00"}"#;
        let read = read(text).unwrap();
        assert_eq!((read.access_key_id(), read.session_token()), ("AKIA", Some("t")));
        assert!(read.expiry().is_some() && !format!("{read:?}").contains("hush"));
        assert!(super::read(b"The SSO session has expired").is_none());
    }
}

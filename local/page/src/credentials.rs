//! Who asks: the credentials of the usual profile. Those of a login by browser are asked of the AWS command line, which
//! has them; so nothing of that login is built in here.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sfn::config::{Credentials, SharedCredentialsProvider};
use serde::Deserialize;
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
    // Keys in the environment go before a profile, as everywhere in AWS.
    if (profile.is_some() || std::env::var_os("AWS_ACCESS_KEY_ID").is_none())
        && let Some(credentials) = exported(profile).await
    {
        loader = loader.credentials_provider(SharedCredentialsProvider::new(credentials));
    }
    loader.load().await
}

/// The credentials that the AWS command line has, if it is there and has some.
async fn exported(profile: Option<&str>) -> Option<Credentials> {
    let mut command = Command::new("aws");
    command.args(["configure", "export-credentials", "--format", "process"]);
    if let Some(profile) = profile {
        command.args(["--profile", profile]);
    }
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(10), command.output()).await.ok()?.ok()?;
    read(&output.stdout)
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

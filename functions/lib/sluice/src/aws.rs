//! The AWS clients' shared configuration: one TLS stack, short retries, bounded waits.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::ffi::OsString;
use std::time::Duration;

/// Region, credentials and endpoint overrides come from the environment, as everywhere in AWS.
///
/// Each call is tried three times within seconds; what lasts longer is the state machine's to retry. There is no bound
/// on a whole operation, because that would bound the size of an object.
pub async fn config() -> SdkConfig {
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(if is_plain(std::env::vars_os()) { Builder::new().build_http() } else { http_client() })
        .timeout_config(timeouts)
        .retry_config(aws_config::retry::RetryConfig::standard().with_max_attempts(3))
        .load()
        .await
}

/// An HTTP client on rustls with ring, the one TLS stack that all dependencies agree on.
pub fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// Whether all endpoints are overridden, and none of them speaks TLS: so on one machine. To read the system's roots of
/// trust takes half of a start.
fn is_plain(variables: impl Iterator<Item = (OsString, OsString)>) -> bool {
    let mut is_every_service_overridden = false;
    for (name, url) in variables.filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_ENDPOINT_URL")) {
        if !url.as_encoded_bytes().starts_with(b"http://") {
            return false;
        }
        is_every_service_overridden |= name == "AWS_ENDPOINT_URL";
    }
    is_every_service_overridden
}

/// An S3 client. Path-style addresses when the endpoint is overridden: a host name per bucket cannot be had on
/// loopback.
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let overridden = config.endpoint_url().is_some();
    let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(overridden).build();
    aws_sdk_s3::Client::from_conf(s3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_only_if_no_endpoint_speaks_it() {
        let is_plain = |variables: &[(&str, &str)]| {
            is_plain(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
        };
        let (local, s3) = (("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"), "AWS_ENDPOINT_URL_S3");
        assert!(is_plain(&[("HOME", "/"), local]) && is_plain(&[(s3, "http://127.0.0.1:1"), local]));
        assert!(!is_plain(&[("AWS_REGION", "http://")]));
        assert!(!is_plain(&[(s3, "http://127.0.0.1:1")]));
        assert!(!is_plain(&[local, (s3, "https://s3.example.org")]));
        assert!(!is_plain(&[("AWS_ENDPOINT_URL", "https://127.0.0.1:4566")]) && !is_plain(&[("AWS_ENDPOINT_URL", "")]));
    }
}

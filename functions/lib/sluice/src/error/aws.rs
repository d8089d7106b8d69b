//! From an AWS SDK error to a kind. Unknown means not retried.

use super::{Error, Kind};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use std::error::Error as StdError;

/// Codes that say "later" although their HTTP status is 400. Sources: the services' lists of common errors, and for
/// `InvalidDBInstanceState` `aws-facts.md` section 3 (an instance that is being modified, backed up or started).
const RETRYABLE_CODES: [&str; 8] = [
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "OperationAborted",
    "InvalidDBInstanceState",
    // Of Athena.
    "TooManyRequestsException",
    // Of Glue.
    "OperationTimeoutException",
    "ConcurrentModificationException",
];

/// Parts of codes that an operator has to act on although their HTTP status is 400: permissions and credentials; what
/// is not there; a network without a way out for a public instance; a key that may not be used (the services' API
/// references, under "Errors").
const MISCONFIGURED_CODES: [&str; 11] = [
    "AccessDenied",
    "Token",
    "Signature",
    "StateMachineDoesNotExist",
    "ResourceNotFound",
    "InvalidVPCNetworkState",
    "KMS",
    "DecryptionFailure",
    // Of Glue.
    "EntityNotFound",
    "ResourceNumberLimitExceeded",
    // Of Secrets Manager: the secret is marked for deletion. Of Athena: what the request asks for cannot be had.
    "InvalidRequestException",
];

impl Error {
    /// What an AWS call's error means while doing `what`.
    pub fn aws<E>(what: impl Into<String>, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let (kind, code) = match &error {
            SdkError::ServiceError(context) => {
                let code = context.err().code().unwrap_or("no code").to_owned();
                let message = context.err().message().unwrap_or_default();
                let status = context.raw().status().as_u16();
                let text = format!("{code} (HTTP {status}) {message}");
                return Self::caused(service_kind(status, &code), what, text.trim_end().to_owned());
            }
            SdkError::TimeoutError(_) => (Kind::TransientFailure, "timeout"),
            SdkError::DispatchFailure(failure) if failure.is_user() => (Kind::Misconfigured, "request not sent"),
            SdkError::DispatchFailure(_) => (Kind::TransientFailure, "request not sent"),
            SdkError::ResponseError(_) => (Kind::TransientFailure, "response not understood"),
            _ => (Kind::InvariantBroken, "request not built"),
        };
        Self::caused(kind, format!("{}: {code}", what.into()), error)
    }
}

fn service_kind(status: u16, code: &str) -> Kind {
    match status {
        _ if RETRYABLE_CODES.contains(&code) || code.contains("Throttl") => Kind::TransientFailure,
        408 | 409 | 412 | 429 | 500.. => Kind::TransientFailure,
        // 301: the bucket is in another region.
        301 | 401 | 403 | 404 => Kind::Misconfigured,
        _ if MISCONFIGURED_CODES.iter().any(|part| code.contains(part)) => Kind::Misconfigured,
        _ => Kind::InvariantBroken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_errors_by_status_and_code() {
        for (status, code, kind) in [
            (503, "SlowDown", Kind::TransientFailure),
            (500, "InternalError", Kind::TransientFailure),
            (429, "TooManyRequestsException", Kind::TransientFailure),
            (409, "ConditionalRequestConflict", Kind::TransientFailure),
            (412, "PreconditionFailed", Kind::TransientFailure),
            (400, "ThrottlingException", Kind::TransientFailure),
            (400, "InvalidDBInstanceState", Kind::TransientFailure),
            (403, "AccessDenied", Kind::Misconfigured),
            (400, "AccessDeniedException", Kind::Misconfigured),
            (400, "ExpiredToken", Kind::Misconfigured),
            (301, "PermanentRedirect", Kind::Misconfigured),
            (404, "NoSuchBucket", Kind::Misconfigured),
            (400, "StateMachineDoesNotExist", Kind::Misconfigured),
            (404, "DBInstanceNotFound", Kind::Misconfigured),
            (400, "InvalidVPCNetworkStateFault", Kind::Misconfigured),
            (400, "KMSKeyNotAccessibleFault", Kind::Misconfigured),
            (400, "ResourceNotFoundException", Kind::Misconfigured),
            (400, "DecryptionFailure", Kind::Misconfigured),
            (400, "InvalidRequestException", Kind::Misconfigured),
            (400, "KMS.ThrottlingException", Kind::TransientFailure),
            (400, "ThrottledException", Kind::TransientFailure),
            (400, "KMS.DisabledException", Kind::Misconfigured),
            (400, "TooManyRequestsException", Kind::TransientFailure),
            (400, "ConcurrentModificationException", Kind::TransientFailure),
            (400, "EntityNotFoundException", Kind::Misconfigured),
            (400, "ValidationException", Kind::InvariantBroken),
        ] {
            assert_eq!(service_kind(status, code), kind, "{status} {code}");
        }
    }
}

//! What goes wrong with a call, as far as it matters to a reader.

use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};

/// An answer, or why there is none.
pub type Answer<T> = Result<T, Trouble>;

/// Why a call was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// AWS asked to slow down.
    Throttled(String),
    /// The credentials may not do it.
    Denied,
    /// The credentials have expired.
    Expired,
    /// There are no credentials.
    NoCredentials(String),
    /// The clock of this machine is not that of AWS, so no signature is good.
    Clock,
    /// Nobody answers there.
    Gone,
    /// The answer did not come in time.
    Late,
    /// There is no such thing.
    Missing,
    /// Anything else, as it was said.
    Other(String),
}

impl Trouble {
    /// What an error of a call is.
    pub fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        match error {
            SdkError::TimeoutError(_) => Self::Late,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::Late,
            SdkError::DispatchFailure(failure) if failure.is_io() => Self::Gone,
            SdkError::DispatchFailure(failure) => {
                let text = failure.as_connector_error().map(|error| chain(error)).unwrap_or_default();
                Self::of_connector(text)
            }
            SdkError::ConstructionFailure(_) => Self::of_connector("the request could not be made".to_owned()),
            error => match error.as_service_error() {
                Some(service) => Self::of_code(service.code(), service.message()),
                None => Self::Other("the answer is not understood".to_owned()),
            },
        }
    }

    fn of_connector(text: String) -> Self {
        let lower = text.to_lowercase();
        if lower.contains("expired") {
            Self::Expired
        } else if lower.contains("credential") || lower.contains("identity") {
            Self::NoCredentials(text)
        } else if lower.contains("connect") || lower.contains("refused") {
            Self::Gone
        } else {
            Self::Other(text)
        }
    }

    fn of_code(code: Option<&str>, message: Option<&str>) -> Self {
        let code = code.unwrap_or_default();
        let says = |text: &str| message.is_some_and(|message| message.contains(text));
        if code.contains("Throttl")
            || code.contains("TooManyRequests")
            || code == "SlowDown"
            || code == "RequestLimitExceeded"
        {
            Self::Throttled(code.to_owned())
        } else if code.contains("AccessDenied")
            || code.contains("NotAuthorized")
            || code.contains("UnauthorizedOperation")
            || code == "Forbidden"
        {
            Self::Denied
        } else if code.contains("ExpiredToken") || code == "RequestExpired" {
            Self::Expired
        } else if code == "RequestTimeTooSkewed"
            || (code.contains("Signature") && (says("Signature expired") || says("Signature not yet current")))
        {
            Self::Clock
        } else if code.contains("UnrecognizedClient")
            || code.contains("InvalidClientTokenId")
            || code.contains("InvalidSignature")
            // What S3 says.
            || code.contains("InvalidAccessKeyId")
            || code.contains("SignatureDoesNotMatch")
        {
            Self::NoCredentials(code.to_owned())
        } else if code.contains("DoesNotExist")
            || code.contains("NotFound")
            // A bucket that is gone is told: everything in it is.
            || (code.contains("NoSuch") && code != "NoSuchBucket")
            // What CloudFormation says of a stack that is not there.
            || (code == "ValidationError" && says("does not exist"))
        {
            Self::Missing
        } else {
            Self::Other(format!("{code} {}", message.unwrap_or_default()).trim().to_owned())
        }
    }

    /// Whether every other call will meet it too.
    pub fn is_of_all(&self) -> bool {
        matches!(self, Self::Expired | Self::NoCredentials(_) | Self::Clock | Self::Gone)
    }

    /// How long to wait before the next try, in milliseconds, after so many failures in a row.
    pub fn pause(&self, failures: u32) -> i64 {
        match self {
            Self::Denied => 60_000,
            Self::Missing => 30_000,
            Self::Gone | Self::Expired | Self::NoCredentials(_) | Self::Clock => 2_000,
            _ => (1_000_i64 << failures.min(6)).min(60_000),
        }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_aws_are_told_apart() {
        for (code, trouble) in [
            ("ThrottlingException", Trouble::Throttled("ThrottlingException".into())),
            ("AccessDeniedException", Trouble::Denied),
            ("ExpiredTokenException", Trouble::Expired),
            ("StateMachineDoesNotExist", Trouble::Missing),
            ("ResourceNotFoundException", Trouble::Missing),
            ("UnrecognizedClientException", Trouble::NoCredentials("UnrecognizedClientException".into())),
            ("InvalidAccessKeyId", Trouble::NoCredentials("InvalidAccessKeyId".into())),
            ("SignatureDoesNotMatch", Trouble::NoCredentials("SignatureDoesNotMatch".into())),
            ("RequestTimeTooSkewed", Trouble::Clock),
        ] {
            assert_eq!(Trouble::of_code(Some(code), None), trouble);
        }
        for (code, message) in [
            ("InvalidSignatureException", "Signature expired: 20261126T024511Z is now earlier than 20261126T030011Z"),
            (
                "SignatureDoesNotMatch",
                "Signature not yet current: 20261126T034511Z is still later than 20261126T031511Z",
            ),
        ] {
            assert_eq!(Trouble::of_code(Some(code), Some(message)), Trouble::Clock);
        }
        assert!(matches!(Trouble::of_code(Some("NoSuchBucket"), None), Trouble::Other(_)));
        // Of Step Functions it is a token of a page.
        assert!(matches!(Trouble::of_code(Some("InvalidToken"), None), Trouble::Other(_)));
        assert_eq!(Trouble::of_code(Some("NoSuchKey"), None), Trouble::Missing);
        let validation = |message| Trouble::of_code(Some("ValidationError"), Some(message));
        assert_eq!(validation("Stack with id sluice does not exist"), Trouble::Missing);
        assert!(matches!(validation("1 validation error detected"), Trouble::Other(_)));
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let throttled = Trouble::Throttled(String::new());
        let pauses: Vec<i64> = (0..8).map(|failures| throttled.pause(failures)).collect();
        assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(Trouble::Denied.pause(0), 60_000);
    }
}

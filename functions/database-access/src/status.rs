//! What an instance's status means (Amazon RDS User Guide, "Viewing Amazon RDS DB instance status").

use sluice::Kind;

/// `Ok` if the instance can be modified and used now, else whether that may pass by itself.
pub(crate) fn check(status: &str) -> Result<(), Kind> {
    match status {
        "available" | "storage-optimization" => Ok(()),
        "stopped"
        | "stopping"
        | "deleting"
        | "failed"
        | "inaccessible-encryption-credentials"
        | "restore-error"
        | "storage-full" => Err(Kind::Misconfigured),
        _ if status.starts_with("incompatible-") => Err(Kind::Misconfigured),
        // Modifying, backing up, rebooting, under maintenance and the like.
        _ => Err(Kind::TransientFailure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_and_what_does_not() {
        for (status, expected) in [
            ("available", Ok(())),
            ("modifying", Err(Kind::TransientFailure)),
            ("backing-up", Err(Kind::TransientFailure)),
            ("configuring-enhanced-monitoring", Err(Kind::TransientFailure)),
            ("some-status-of-the-future", Err(Kind::TransientFailure)),
            ("stopped", Err(Kind::Misconfigured)),
            ("incompatible-network", Err(Kind::Misconfigured)),
        ] {
            assert_eq!(check(status), expected, "{status}");
        }
    }
}

//! The names of staging tables: each attempt makes one of its own, so that nothing that an earlier one left behind is
//! ever in the way.

use crate::contract::Execution;
use crate::digest;

/// How many digits stand for the execution.
const DIGITS: usize = 12;

/// The staging table of an attempt of an execution: `<table>__<12 digits>_<attempt>`.
pub fn staging(table: &str, execution: &Execution, attempt: u32) -> String {
    let digest = digest::of([&execution.id]);
    format!("{table}__{}_{attempt}", &digest[..DIGITS])
}

/// Whether a table is a staging table of `table`, of whatever execution.
pub fn is_staging(name: &str, table: &str) -> bool {
    let rest = name.strip_prefix(table).and_then(|rest| rest.strip_prefix("__"));
    let Some((digits, attempt)) = rest.and_then(|rest| rest.split_once('_')) else { return false };
    let is_digest = digits.len() == DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_digest && !attempt.is_empty() && attempt.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staging_table_is_known_by_its_name() {
        let execution = Execution {
            job: "scifi".into(),
            id: "arn:aws:states:us-east-1:1:execution:dev-scifi:x".into(),
            name: "x".into(),
            started_at: "2024-01-01T00:00:00.000Z".into(),
            state_machine: "arn:aws:states:us-east-1:1:stateMachine:dev-scifi".into(),
        };
        let name = staging("scifi", &execution, 2);
        assert!(is_staging(&name, "scifi") && name.ends_with("_2"), "{name}");
        assert!(!is_staging(&name, "sci") && !is_staging(&name, "scifi_"));
        for name in [
            "scifi",
            "scifi__0123456789ab",
            "scifi__0123456789ab_",
            "scifi__0123456789ab_x",
            "scifi__0123456789a_0",
            "scifi__0123456789aB_0",
            "scifi_0123456789ab_0",
        ] {
            assert!(!is_staging(name, "scifi"), "{name}");
        }
    }
}

//! The names of staging tables: each attempt makes one of its own, so that nothing that an earlier one left behind is
//! ever in the way. They also say whose they are: others may make tables in the same database.

use crate::contract::Execution;
use crate::digest;

/// How many digits stand for the owner, and how many for the execution.
const DIGITS: usize = 12;

/// The staging table of an attempt of an execution: `<table>__<12 digits of the owner>_<12 of the
/// execution>_<attempt>`.
pub fn staging(table: &str, owner: &str, execution: &Execution, attempt: u32) -> String {
    format!("{}{}_{attempt}", begin(table, owner), digits(&execution.id))
}

/// Whether a table is this owner's staging table of `table`, of whatever execution.
pub fn is_staging(name: &str, table: &str, owner: &str) -> bool {
    let rest = name.strip_prefix(&begin(table, owner)).and_then(|rest| rest.split_once('_'));
    let Some((execution, attempt)) = rest else { return false };
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = execution.len() == DIGITS && execution.bytes().all(is_digit);
    is_digest && !attempt.is_empty() && attempt.bytes().all(|byte| byte.is_ascii_digit())
}

fn begin(table: &str, owner: &str) -> String {
    format!("{table}__{}_", digits(owner))
}

fn digits(text: &str) -> String {
    let mut digest = digest::of([text]);
    digest.truncate(DIGITS);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_names_a_staging_table() {
        let event = include_str!("../../../../../../events/athena-elt-publish.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let execution: Execution = serde_json::from_value(event["execution"].clone()).unwrap();
        assert_eq!(event["build"]["staging"], staging("scifi", "sluice-dev/scifi", &execution, 0));
    }

    #[test]
    fn a_staging_table_is_known_by_its_name() {
        let execution = Execution {
            job: "scifi".into(),
            id: "arn:aws:states:us-east-1:1:execution:dev-scifi:x".into(),
            name: "x".into(),
            started_at: "2024-01-01T00:00:00.000Z".into(),
            state_machine: "arn:aws:states:us-east-1:1:stateMachine:dev-scifi".into(),
        };
        let owner = "bucket/scifi";
        let name = staging("scifi", owner, &execution, 2);
        assert!(is_staging(&name, "scifi", owner) && name.ends_with("_2"), "{name}");
        assert!(!is_staging(&name, "sci", owner) && !is_staging(&name, "scifi_", owner));
        for other in ["bucket/films", "other/scifi", ""] {
            assert!(!is_staging(&name, "scifi", other), "{name} is not of {other}");
        }
        let begin = name.strip_suffix(&format!("{}_2", digits(&execution.id))).unwrap();
        assert!(is_staging(&format!("{begin}0123456789ab_0"), "scifi", owner), "of another execution");
        for rest in ["", "0123456789ab", "0123456789ab_", "0123456789ab_x", "0123456789a_0", "0123456789aB_0"] {
            let name = format!("{begin}{rest}");
            assert!(!is_staging(&name, "scifi", owner), "{name}");
        }
        for name in ["scifi", "scifi__0123456789ab_0", "scifi__0123456789ab_0123456789ab_0"] {
            assert!(!is_staging(name, "scifi", owner), "{name}");
        }
    }
}

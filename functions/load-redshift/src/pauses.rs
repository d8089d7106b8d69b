//! When to ask again for a batch that is not over. Each question is nine events of an execution's history, which holds
//! 25,000; and of many windows that are read side by side each waits until the loads before it are over.

use std::time::Duration;

/// The shortest pause, in seconds.
const SHORTEST: u64 = 20;

/// Of so many windows the pause is as long as the batch has lasted.
const WINDOWS: u64 = 120;

/// The least part of that time, in windows: about a quarter.
const FEW_WINDOWS: u64 = 30;

/// The longest pause, in seconds per window: all of them together may be asked for in two days.
const LONGEST: u64 = 100;

/// How long to wait before the next question, in seconds, in an execution of so many windows, for a batch of this age;
/// none of it is known.
pub fn pause_seconds(windows: usize, age: Option<Duration>) -> u64 {
    let windows = u64::try_from(windows).unwrap_or(u64::MAX).max(1);
    let longest = windows.saturating_mul(LONGEST);
    let pause = age.map_or(longest, |age| age.as_secs().saturating_mul(windows.max(FEW_WINDOWS)) / WINDOWS);
    pause.clamp(SHORTEST, longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::contract::mysql_to_redshift::MAX_WINDOWS;

    #[test]
    fn a_pause_grows_with_the_age_of_the_batch_and_the_number_of_windows() {
        let pause = |windows, age| pause_seconds(windows, Some(Duration::from_secs(age)));
        assert_eq!((pause(1, 0), pause(1, 40), pause(1, 160), pause(1, 86_400)), (20, 20, 40, 100));
        assert_eq!((pause(120, 60), pause(360, 60), pause(360, 600)), (60, 180, 1_800));
        assert_eq!((pause_seconds(0, None), pause_seconds(2, None)), (100, 200));
    }

    /// The most that windows can wait: all that are read side by side, in turn, until the execution is timed out.
    /// That the numbers are those of the definition, a test of the definitions says.
    #[test]
    fn all_questions_of_an_execution_fit_into_its_history() {
        const MAX_EVENTS: u64 = 25_000 - 1_000;
        const EVENTS_OF_A_WINDOW: u64 = 18;
        const EVENTS_OF_A_QUESTION: u64 = 9;
        const TIMEOUT_SECONDS: u64 = 172_800;
        const MOST_SIDE_BY_SIDE: u64 = 40;
        // A call waits as long itself before it says that the batch is not over.
        const CALL_SECONDS: u64 = 20;
        for windows in 1..=u64::from(MAX_WINDOWS) {
            let waits = TIMEOUT_SECONDS * MOST_SIDE_BY_SIDE.min(windows) / windows;
            let (mut age, mut questions) = (CALL_SECONDS, 0);
            while age < waits {
                questions += 1;
                age += pause_seconds(usize::try_from(windows).unwrap(), Some(Duration::from_secs(age))) + CALL_SECONDS;
            }
            let events = windows * (EVENTS_OF_A_WINDOW + EVENTS_OF_A_QUESTION * questions);
            assert!(events <= MAX_EVENTS, "{windows} windows, each asked for {questions} times: {events} events");
        }
    }
}

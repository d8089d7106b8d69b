//! What has changed since the last good run, as a run that failed says it. It needs no browser.

use crate::FAILED;
use crate::aws::{Aws, Mood, recorded_definition};
use crate::page::Page;
use std::time::{Duration, Instant};

/// What the view of the failed run says, once it says this.
fn says(page: &Page, told: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, _, body) = page.get(FAILED);
        let since = body.split("Changed since the last good run").nth(1).unwrap_or_default();
        let said = since.split("</dd>").next().unwrap_or_default();
        if said.replace("<code class=\"break\">", "").replace("</code>", "").contains(told) {
            return;
        }
        assert!(Instant::now() < until, "{told} is not said: {said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An AWS in which the job has loaded just before it failed, and ran then with this definition.
pub(crate) fn loaded_with(definition: Option<String>) -> Aws {
    let aws = Aws::start();
    let mut world = aws.world();
    let runs = &mut world.jobs.get_mut("pomodoro").unwrap().1;
    let started = |run: &crate::aws::Run| run.described["startDate"].as_f64().unwrap();
    let failed = runs.iter().position(|run| run.described["status"] == "FAILED").unwrap();
    let mut good =
        runs.iter().find(|run| run.described["name"] == "ac44c1ec-258d-4101-9eea-5b5054cd3915").unwrap().clone();
    good.described["startDate"] = (started(&runs[failed]) - 2.0).into();
    good.described["stopDate"] = (started(&runs[failed]) - 1.0).into();
    good.definition = definition;
    runs.retain(|run| run.described["name"] != good.described["name"]);
    runs.push(good);
    runs.sort_by(|a, b| started(b).total_cmp(&started(a)));
    drop(world);
    aws
}

#[test]
fn what_has_changed_since_the_last_good_run_is_said() {
    let same = loaded_with(None);
    says(&Page::local(&same), "nothing: spec and states are the same, and nothing was deployed");

    let before = recorded_definition("pomodoro");
    let other = before.replace(r#""on_overlap": "all_files""#, r#""on_overlap": "newest_file""#);
    let other = other.replacen(r#""TimeoutSeconds": 310"#, r#""TimeoutSeconds": 300"#, 1);
    assert_ne!(before, other);
    let changed = loaded_with(Some(other));
    let page = Page::account(&changed);
    says(&page, "spec: target.on_overlap: newest_file → all_files; states: DetectNewFiles; nothing was deployed");

    // Of runs from before a deploy the engine of this machine does not know what they ran with.
    same.world().deployed_at = "2026-11-26T02:45:57Z";
    says(&Page::local(&same), "not known: the stack was deployed at");
    says(&Page::account(&same), "the spec is the same; the states are the same; deployed between the two");
    same.world().deployed_at = "2026-11-26T03:00:00Z";
    says(&Page::account(&same), "whether their functions were the same is not known");

    same.set_mood(Mood::Denies("DescribeStateMachineForExecution"));
    let page = Page::local(&same);
    says(&page, "not known: see above");
    assert!(page.get(FAILED).2.contains("may not <code>states:DescribeStateMachineForExecution</code>"));
}

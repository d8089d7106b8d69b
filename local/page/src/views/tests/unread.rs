//! What the views say of what is not read yet, or cannot be.

use super::*;

/// What was never read is no good news.
#[test]
fn of_jobs_that_are_not_read_nothing_is_said() {
    let mut stack = stack();
    let mut unread = stack.jobs["pomodoro"].clone();
    (unread.name, unread.runs) = ("other".into(), None);
    let of = |stack: &Stack| text(stack, &jobs(stack, &reader()));
    stack.jobs.insert("other".into(), unread.clone());
    let html = of(&stack);
    assert!(html.contains("1 of 2 jobs failed in its last run.</strong> 1 of 2 jobs are read."), "{html}");
    stack.jobs = [("other".to_owned(), unread)].into();
    let html = of(&stack);
    assert!(html.contains("0 of 1 job is read.") && html.matches("…</span>").count() == 3, "{html}");
    assert!(!html.contains("No job failed") && !html.contains("never") && !html.contains("No run yet"), "{html}");
    // Of one whose last load is not described, what it set aside is not known.
    let job = stack.jobs.get_mut("other").unwrap();
    let mut run = super::stack().jobs["pomodoro"].runs.as_ref().unwrap()[1].clone();
    (run.head.status, run.facts) = (Status::Succeeded, None);
    job.runs = Some(vec![run]);
    let html = of(&stack);
    assert!(html.contains("No job failed in its last run.") && !html.contains("<span class=\"soft\">0<"), "{html}");
}

/// What cannot be read is not said to be complete, nor to be on its way.
#[test]
fn what_cannot_be_read_is_not_said_to_be_read() {
    let denied = |stack: &mut Stack, action| {
        stack.notices.insert(action, Notice { trouble: Trouble::Denied, action, again: 0 });
    };
    for action in ["cloudformation:DescribeStacks", "states:ListStateMachines", "states:DescribeStateMachine"] {
        let mut unread = Stack { name: "sluice".into(), ..Stack::default() };
        denied(&mut unread, action);
        let html = text(&unread, &jobs(&unread, &reader()));
        assert!(html.contains(action) && html.contains("Without that nothing is shown"), "{html}");
        assert!(
            html.contains("cannot be read now") && !html.contains("complete") && !html.contains("Reading"),
            "{html}"
        );
    }
    let mut stack = stack();
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    let run = &mut job.runs.as_mut().unwrap()[0];
    (run.facts, run.story, run.lines) = (None, None, None);
    let mut unlisted = job.clone();
    (unlisted.name, unlisted.runs) = ("other".into(), None);
    stack.jobs.insert("other".into(), unlisted);
    let of = |stack: &Stack| {
        let job = &stack.jobs["pomodoro"];
        let run = &job.runs.as_ref().unwrap()[0];
        let one = |view: View| text(stack, &view);
        [
            one(super::run(stack, job, run, &reader(), &RunQuery::default())),
            one(log(stack, job, run, &reader(), &LogFilter::default())),
            one(super::job(stack, &stack.jobs["other"], &reader(), &[])),
            one(files(stack, job, &reader(), &[])),
            one(why(stack, job, &reader(), "x")),
            one(jobs(stack, &reader())),
        ]
        .join("")
    };
    let being = [
        "Why is being read",
        "Reading the states",
        "Reading the log",
        "Reading the runs",
        "/</code> …",
        "Listing the prefix …",
    ];
    let html = of(&stack);
    for part in being {
        assert!(html.contains(part), "{part}");
    }
    for action in [
        "states:DescribeExecution",
        "states:GetExecutionHistory",
        "logs:FilterLogEvents",
        "states:ListExecutions",
        "s3:ListBucket",
    ] {
        denied(&mut stack, action);
    }
    let html = of(&stack);
    for part in being {
        assert!(!html.contains(part), "{part}");
    }
    assert_eq!(html.matches("cannot be read now").count(), 5, "{html}");
    assert_eq!(html.matches("cannot be listed now").count(), 3, "{html}");
}

/// Without scripts a view loads itself again until all that it shows is read.
#[test]
fn a_view_is_loaded_again_until_all_of_it_is_read() {
    let mut stack = stack();
    let revision = crate::model::Revision {
        definition: stack.jobs["pomodoro"].definition.clone(),
        value: json!({}).into(),
        digest: String::new(),
    };
    let lines = Lines { is_complete: true, ..Lines::default() };
    for run in stack.jobs.get_mut("pomodoro").unwrap().runs.as_mut().unwrap() {
        (run.lines, run.revision) = (Some(Arc::new(lines.clone())), Some(revision.clone()));
    }
    let are_loaded_again = |stack: &Stack| {
        let job = &stack.jobs["pomodoro"];
        let views = [
            super::run(stack, job, &job.runs.as_ref().unwrap()[0], &reader(), &RunQuery::default()),
            log(stack, job, &job.runs.as_ref().unwrap()[0], &reader(), &LogFilter::default()),
            super::job(stack, job, &reader(), &[]),
            jobs(stack, &reader()),
        ];
        views.map(|view| text(stack, &view).contains("http-equiv=\"refresh\""))
    };
    assert_eq!(are_loaded_again(&stack), [false; 4]);
    type Way = (fn(&mut Run), &'static str, [bool; 4]);
    let ways: [Way; 4] = [
        (|run| run.facts = None, "states:DescribeExecution", [true, false, true, true]),
        (|run| run.lines = None, "logs:FilterLogEvents", [true, true, false, false]),
        (|run| run.revision = None, crate::shared::DEFINITION, [true, false, false, false]),
        (|run| run.story = None, "states:GetExecutionHistory", [true, false, true, false]),
    ];
    for (change, action, expected) in ways {
        let mut unread = stack.clone();
        change(&mut unread.jobs.get_mut("pomodoro").unwrap().runs.as_mut().unwrap()[0]);
        assert_eq!(are_loaded_again(&unread), expected, "{action}");
        // What is denied does not come.
        unread.notices.insert(action, Notice { trouble: Trouble::Denied, action, again: 0 });
        assert_eq!(are_loaded_again(&unread), [false; 4], "{action}");
    }
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    let is_loaded_again = |stack: &Stack| files(stack, &stack.jobs["pomodoro"], &reader(), &[]).is_running;
    job.files = Some(Arc::new(crate::files::Files { is_loaded_known: true, ..Default::default() }));
    assert!(!is_loaded_again(&stack));
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    job.files = Some(Arc::default());
    assert!(is_loaded_again(&stack));
}

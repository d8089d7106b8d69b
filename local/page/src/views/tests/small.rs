//! Views stay small, however much there is to show.

use super::*;

#[test]
fn a_view_of_a_thousand_runs_is_small() {
    let mut stack = stack();
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    let few = job.runs.take().unwrap();
    let many = (0..1_000_usize).map(|place| {
        let mut run = few[place % few.len()].clone();
        run.head.name = format!("run-{place}");
        run.head.arn = format!("arn:{place}");
        run.head.started -= i64::try_from(place).unwrap() * 3_600_000;
        run.head.ended = run.head.ended.map(|ended| ended - i64::try_from(place).unwrap() * 3_600_000);
        run
    });
    job.runs = Some(many.collect());
    let job = &stack.jobs["pomodoro"];
    for view in [jobs(&stack, &reader()), super::job(&stack, job, &reader(), &[])] {
        let html = text(&stack, &view);
        assert!(html.len() < 100_000, "{}: {}", view.title, html.len());
    }
    // Forty columns, and in each of the two plots a hundred points at most.
    let html = text(&stack, &super::job(&stack, job, &reader(), &[]));
    assert_eq!(html.matches("class=\"colh\"").count(), 40);
    for plot in html.split("class=\"plot\"").skip(1) {
        let points = plot.split("</svg>").next().unwrap().matches("<rect").count();
        assert!((51..=100).contains(&points), "{points}");
    }
}

/// The view of each recorded run with so many lines, each this long.
fn with_lines(count: usize, length: usize) -> Vec<String> {
    let mut stack = stack();
    let line = |number: usize| Line {
        at: 1_795_661_158_000 + i64::try_from(number).unwrap(),
        level: if number.is_multiple_of(7) { Level::Error } else { Level::Info },
        function: "pivot".into(),
        message: format!("line-{number}. {}", "<&\"> ".repeat(length / 5)),
        fields: "field=value ".repeat(length / 12),
    };
    let lines = Lines { lines: (0..count).map(line).collect(), is_complete: true, ..Lines::default() };
    let lines = Arc::new(lines);
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    job.runs.as_mut().unwrap().iter_mut().for_each(|run| run.lines = Some(lines.clone()));
    let job = &stack.jobs["pomodoro"];
    let runs = job.runs.iter().flatten();
    runs.map(|run| text(&stack, &super::run(&stack, job, run, &reader(), &RunQuery::default()))).collect()
}

/// The newest lines are there, and a link to the others, which works without a script.
#[test]
fn a_run_with_many_long_lines_is_small() {
    for length in [60, 300, 5_000, 100_000] {
        for html in with_lines(500, length) {
            assert!(html.len() < 100_000, "{length}: {}", html.len());
            assert!(html.contains("line-499.") && !html.contains("line-1."), "{length}");
            let rows = html.split("<table id=\"log\">").nth(1).unwrap().split("</table>").next().unwrap();
            let count = rows.matches("<tr").count() - 1;
            assert!(html.contains(&format!("{count} of 500 lines: the newest, ")), "{length}: {count}");
            assert!(html.contains("/log\">All lines, whole</a>"), "{length}");
        }
    }
}

/// As many short lines as the design shows, and all of fewer.
#[test]
fn short_lines_are_all_there() {
    for (count, shown) in [(40, 40), (500, 500), (700, 500)] {
        for html in with_lines(count, 0) {
            assert!(html.len() < 100_000, "{}", html.len());
            assert_eq!(html.matches("</b> line-").count(), shown);
            assert_eq!(html.contains(" lines: the newest, "), shown < count);
            // The first one is an error.
            assert!(html.contains("line-0."), "{count}");
            assert_eq!(html.contains("data-filters"), shown == count, "who filters is shown all lines");
        }
    }
}

/// A list that is cut off says so.
#[test]
fn of_more_older_runs_than_are_read_it_is_said() {
    let mut stack = with_older(Kind::TransformAndUpsert, older(Origin::Runs, Status::Failed));
    stack.jobs.get_mut("pomodoro").unwrap().is_history_cut = true;
    let html = text(&stack, &super::job(&stack, &stack.jobs["pomodoro"], &reader(), &[]));
    assert!(html[html.find("id=\"history\"").unwrap()..].contains("is cut off: of each job the newest 1\u{202f}000"));
}

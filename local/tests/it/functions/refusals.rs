//! What the table's own rules refuse: whose fault it is, and that the error says which rule, and never a value.

use crate::functions::merging::create;
use crate::functions::upsert::prepared;
use crate::support::*;

/// Loads one day into a table made by these statements; returns the error.
async fn refused(stack: &Fixture, statements: &str) -> (String, String) {
    create(stack, &format!("drop table if exists pomodoro_day_catg cascade; {statements}")).await;
    let payload = prepared(stack, "run", "2024-01-01T00:00:00.000Z", &["2024-03-01,1,987654\n"]).await;
    stack.invoke("upsert", &payload).await.unwrap().unwrap_err()
}

/// A table with a trigger that does this.
fn with_trigger(body: &str) -> String {
    format!(
        "{TARGET};
         create or replace function refuse() returns trigger language plpgsql as $$ begin {body} return new; end $$;
         create trigger refuse before insert on pomodoro_day_catg for each row execute function refuse()"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_constraint_refuses_is_told_with_its_row_and_without_its_values() {
    let stack = fixture_with(vpc_mode()).await;
    for (statements, parts) in [
        (
            format!("{TARGET}; alter table pomodoro_day_catg add constraint too_long check (work_minutes < 1440)"),
            &["(SQLSTATE 23514)", "\"too_long\"", "(2024-03-01, ...)"][..],
        ),
        (
            format!(
                "drop table if exists calendar; create table calendar (day date primary key); {TARGET};
                 alter table pomodoro_day_catg add constraint known foreign key (date) references calendar"
            ),
            &["(SQLSTATE 23503)", "\"known\"", "Key (date)=(2024-03-01) is not present in table \"calendar\""],
        ),
        (
            format!(
                "{TARGET}; create unique index once on pomodoro_day_catg (work_minutes);
                 insert into pomodoro_day_catg values ('2024-01-01', 0, 987654)"
            ),
            &["(SQLSTATE 23505)", "\"once\"", "Key (work_minutes)=(...) already exists"],
        ),
        (with_trigger("new.work_minutes := null;"), &["(SQLSTATE 23502)", "\"work_minutes\"", "(2024-03-01, ...)"]),
    ] {
        let (error, cause) = refused(&stack, &statements).await;
        assert_eq!(error, "InvalidSource", "{cause}");
        for part in parts {
            assert!(cause.contains(part), "{part}: {cause}");
        }
        assert!(!cause.contains("at line") && !cause.contains("987654"), "{cause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trigger_raises_is_no_bug_of_ours() {
    let stack = fixture_with(vpc_mode()).await;
    for (body, kind, told) in [
        ("raise exception 'March is closed' using detail = new::text;", "InvalidSource", "March is closed"),
        ("raise exception 'closed' using errcode = 'ZX001';", "InvalidSource", "(SQLSTATE ZX001): closed"),
        ("assert new.work_minutes < 1440;", "InvalidSource", "refuse()"),
        ("perform new.work_minutes::text::date;", "InvalidSource", "(SQLSTATE 22"),
        ("case when false then null; end case;", "Misconfigured", "(SQLSTATE 20000)"),
        ("perform none.where_();", "Misconfigured", "(SQLSTATE 3F000)"),
    ] {
        let (error, cause) = refused(&stack, &with_trigger(body)).await;
        assert_eq!(error, kind, "{cause}");
        assert!(cause.contains(told) && !cause.contains("987654"), "{cause}");
    }
}

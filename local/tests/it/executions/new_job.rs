//! `cargo local new-job` and `--check`, as a person types them.

use super::cli::cargo_local;
use crate::support::{Folder, csv};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder with a copy of the template, and files.
struct Desk {
    folder: Folder,
    template: PathBuf,
    /// The template as it was.
    before: String,
}

impl Desk {
    fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = Folder::new(name);
        let template = folder.0.join("template.yaml");
        let before = local::template::text().unwrap();
        fs::create_dir_all(folder.0.join("exports")).unwrap();
        fs::write(&template, &before).unwrap();
        for (name, bytes) in files {
            fs::write(folder.0.join("exports").join(name), bytes).unwrap();
        }
        Self { folder, template, before }
    }

    fn state(&self) -> PathBuf {
        self.folder.0.join("state")
    }

    fn exports(&self) -> String {
        self.folder.0.join("exports").to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cargo_local(&self.state(), arguments);
        command.env("SLUICE_TEMPLATE", &self.template);
        command
    }

    /// Runs it, and asserts how it ends; returns both outputs.
    fn run(&self, arguments: &[&str], code: i32) -> (String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let (out, error) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{arguments:?}\n{out}\n{error}");
        (out, error)
    }

    fn template(&self) -> String {
        fs::read_to_string(&self.template).unwrap()
    }
}

fn assert_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

const SALES: &[u8] = b"Tag;Filiale;Umsatz\n01.02.2024;Nord;1.234,50\n01.02.2024;S\xfcd;2,25\n02.02.2024;Nord;0,75\n\
                       02.02.2024;S\xfcd;-10,00\n";

#[test]
fn a_job_is_proposed_and_added_and_loads_what_was_shown() {
    let desk = Desk::new("new-job", &[("sales-2024-02.csv", SALES)]);
    let exports = desk.exports();
    let (shown, _) = desk.run(&["new-job", &exports, "--dry-run"], 0);
    assert_parts(&shown, &["nothing is written", "  Sales:\n", "\"delimiter\": \";\"", "windows-1252"]);
    assert_eq!(desk.template(), desk.before);

    let (shown, _) = desk.run(&["new-job", &exports], 0);
    let table = [
        "public.sales, as these files would make it",
        "2024-02-01  1234.5      0  2.25",
        "2024-02-02    0.75      0   -10",
        "2 rows",
    ];
    assert_parts(&shown, &table);
    assert_parts(&shown, &["sales/sales-2024-02.csv  4 rows\n", "try it with: cargo local --job sales --input"]);
    // All else is as it was.
    let new = desk.template();
    let start = new.find("\n  # Proposed from sales-2024-02.csv.").unwrap();
    let end = start + new[start..].find("        S3TriggerState: !Ref S3TriggerState\n").unwrap();
    let end = end + "        S3TriggerState: !Ref S3TriggerState\n".len();
    assert_eq!(format!("{}{}", &new[..start], &new[end..]), desk.before);

    // The same again, by its spec, and nothing was started for it.
    let (checked, _) = desk.run(&["--job", "sales", "--check", "--input", &exports], 0);
    assert_parts(&checked, &table);
    assert_parts(&checked, &["job sales: the spec is right"]);
    assert!(!desk.state().exists());

    let (_, error) = desk.run(&["new-job", &exports], 1);
    assert_parts(&error, &["there is a job sales in template.yaml", "--name"]);
    assert_eq!(desk.template(), new);

    let (loaded, _) = desk.run(&["--job", "sales", "--input", &exports], 0);
    assert_parts(&loaded, &["1 new file", "2 inserted", "1234.5", "-10"]);
}

#[test]
fn what_a_person_decides_is_taken_and_what_cannot_be_is_refused() {
    let first = "id,day,shop,amount\n1,01/02/2024,North,5\n2,02/02/2024,South,7\n";
    let other = "id,day,amount\n3,01/02/2024,5\n";
    let desk = Desk::new("new-job-wishes", &[("a.csv", first.as_bytes())]);
    let file = format!("{}/a.csv", desk.exports());
    // An id tells rows apart, so they are kept unless something else is said.
    let (shown, _) = desk.run(&["new-job", &file, "--name", "kept", "--dry-run"], 0);
    assert_parts(
        &shown,
        &["\"keys\": [\"id\"], \"rows\": {}", "01/02/2024 may be day/month or month/day; all 2 values fit both"],
    );
    let arguments =
        ["new-job", &file, "--name", "by-shop", "--prefix", "in/shops/", "--table", "shops", "--keys", "shop"];
    let (shown, _) = desk.run(&[&arguments[..], &["--values", "amount=max", "--dry-run"]].concat(), 0);
    assert_parts(
        &shown,
        &["Prefix: in/shops/", "\"keys\": [\"shop\"], \"values\": {\"amount\": \"max\"}", "public.shops"],
    );

    for (arguments, part) in [
        (&["--name", "No Name"][..], "not 1 to 30 lower-case letters"),
        (&["--name", "pomodoro"], "there is a job pomodoro"),
        (&["--name", "x", "--prefix", "state/"], "where jobs write to"),
        (&["--name", "x", "--keys", "shops"], "did you mean \"shop\"?"),
        (&["--name", "x", "--keys", "shop", "--values", "amount=total"], "/shape/values/amount"),
    ] {
        let (_, error) = desk.run(&[&["new-job", &file], arguments].concat(), 1);
        assert_parts(&error, &[part]);
    }
    fs::write(format!("{}/b.csv", desk.exports()), other).unwrap();
    let (_, error) = desk.run(&["new-job", &desk.exports(), "--name", "x"], 1);
    assert_parts(&error, &["the files do not agree", "x/a.csv has [\"shop\"], of x/b.csv has []"]);
    desk.run(&["new-job", "/nonexistent.csv", "--name", "x"], 1);
    desk.run(&["new-job"], 2);
    desk.run(&["new-job", &file, "--rows", "--pivot", "shop"], 2);
    assert_eq!(desk.template(), desk.before);
    let (help, _) = desk.run(&["new-job", "--help"], 0);
    assert_parts(&help, &["--dry-run", "--pivot", "template.yaml"]);
}

#[test]
fn a_spec_is_checked_without_loading_anything() {
    let good = csv(&[("Work", "1.5", "2024-01-01"), ("Work", "2", "2024-01-01"), ("Learning", "3", "2024-01-02")]);
    let bad = csv(&[("Work", "x", "2024-01-01"), ("Work", "1", "2024-02-30"), ("Play", "2", "2024-01-01")]);
    let desk = Desk::new("check", &[("a.csv", &good), ("notes.txt", b"mine")]);
    let (out, _) = desk.run(&["--check"], 0);
    assert_eq!(out, "job pomodoro: the spec is right\n");
    let (out, _) = desk.run(&["--check", "--job", "users"], 0);
    assert_eq!(out, "job users: the spec is right\n");
    let exports = desk.exports();
    let (out, _) = desk.run(&["--check", "--input", &exports], 0);
    let parts = ["1 passed over: 1 other suffix", "input_data/a.csv  3 rows", "2024-01-01", "3.5", "2 rows"];
    assert_parts(&out, &parts);

    fs::write(format!("{exports}/b.csv"), bad).unwrap();
    fs::write(format!("{exports}/c.csv"), "Project,Start date\nWork,2024-01-01\n").unwrap();
    let (out, error) = desk.run(&["--check", "--input", &exports], 1);
    assert_parts(
        &out,
        &["input_data/b.csv  3 rows, 3 bad", "a bad file: line 1: the column \"Duration (in minutes)\" is missing"],
    );
    assert_parts(
        &out,
        &[
            "input_data/b.csv, line 2, column Duration (in minutes): not a number",
            "     1  column Project: unknown category",
            "3 bad",
            "2 rows",
        ],
    );
    assert_parts(&error, &["a run would fail: bad rows, and on_bad_row is fail"]);
    let (_, error) = desk.run(&["--check", "--dry-run"], 2);
    assert_parts(&error, &["--check", "--dry-run"]);
    let (_, error) = desk.run(&["--check", "--job", "users", "--input", &exports], 1);
    assert_parts(&error, &["--input is not for users"]);
    assert!(!desk.state().exists(), "nothing was started");

    // What only the function knows of a spec, and what the template's checks know.
    let zone = desk.before.replace(
        "\"from\": \"Start date\", \"type\": \"date\"}",
        "\"from\": \"Start date\", \"type\": \"date\", \"zone\": \"Mars/Olympus\"}",
    );
    fs::write(&desk.template, zone).unwrap();
    let (_, error) = desk.run(&["--check"], 1);
    assert_parts(&error, &["job pomodoro", "/source/columns/date/zone"]);
    fs::write(
        &desk.template,
        desk.before.replace("\"keys\": [\"date\"], \"values\"", "\"keys\": [\"dat\"], \"values\""),
    )
    .unwrap();
    let (_, error) = desk.run(&["--check"], 1);
    assert_parts(&error, &["template.yaml:", "job pomodoro, /shape/keys/0", "did you mean \"date\"?"]);
}

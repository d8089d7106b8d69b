//! The command of a newcomer, as a process of its own.

use super::super::cli::cargo_local;
use crate::support::Folder;
use local::binaries::workspace;

#[test]
fn the_sample_is_loaded_and_what_comes_later_too() {
    let folder = Folder::new("nps");
    let run = |arguments: &[&str]| {
        let output = cargo_local(&folder.0, &[&["--job", "nps"], arguments].concat()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (code, text, told) = run(&["--from", "2018-07-01", "--to", "2018-07-03"]);
    assert_eq!(code, Some(0), "{text}{told}");
    for part in
        ["✓ LoadWindows", "2 windows from 2018-07-01", "80 rows\n80 inserted, 0 deleted, 0 unchanged", "\n  80 rows"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The sample is there already; its correction is a file that is run in MySQL.
    let later = workspace().join("local/sample/nps/later/corrections.sql");
    let (code, text, told) = run(&["--full", "--add", later.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}{told}");
    for part in ["already there: the table prod.nps", "the whole table, 1521 rows\n1521 inserted, 80 deleted"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, text, told) = run(&["--audit"]);
    assert_eq!(code, Some(0), "{text}{told}");
    assert!(text.contains("✓ AuditTable") && text.contains("\nequal: 2018-"), "{text}");
    // Another file of SQL, run in MySQL after the load: the tables differ, which a script sees too.
    let files = Folder::new("nps-changed");
    let changed = files.0.join("changed.sql");
    std::fs::write(&changed, "update nps set score = 3 - score where id = 50 and score is not null;").unwrap();
    let (code, text, told) = run(&["--audit", "--add", changed.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{text}{told}");
    assert!(text.contains("id = 50: 1 rows on both sides, not all with the same values"), "{text}");
    assert!(told.contains("public.nps is not as MySQL has it"), "{told}");
    // What is for files is not for it; nothing is started.
    let (code, text, told) = run(&["--reload"]);
    assert_eq!((code, text.as_str()), (Some(1), ""), "{told}");
    assert!(told.contains("--reload is not for nps, which reads MySQL"), "{told}");
    assert_eq!(cargo_local(&folder.0, &["reset"]).output().unwrap().status.code(), Some(0));
    assert!(!folder.0.exists());
}

//! One folder per case: `input*.csv`, and what becomes of it. `SLUICE_REWRITE_GOLDEN=1` writes the outcomes anew; read
//! the difference before committing it.

use crate::support::{pivot, spec};
use std::fs;
use std::path::Path;

#[test]
fn every_case_comes_out_as_written_down() {
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/golden");
    let is_rewriting = std::env::var_os("SLUICE_REWRITE_GOLDEN").is_some();
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 15, "{} cases", cases.len());
    for case in cases {
        let mut inputs = Vec::new();
        for entry in fs::read_dir(&case).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(name == "outcome.txt" || name.starts_with("input"), "{}: nothing reads it", path.display());
            if name.starts_with("input") {
                inputs.push((name, fs::read(&path).unwrap()));
            }
        }
        inputs.sort();
        let files: Vec<(&str, &[u8])> = inputs.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let whole = outcome(&files, 1 << 20);
        for chunk_len in [1, 7, 64] {
            assert_eq!(outcome(&files, chunk_len), whole, "{} in pieces of {chunk_len}", case.display());
        }
        let expected = case.join("outcome.txt");
        if is_rewriting {
            fs::write(&expected, &whole).unwrap();
        }
        assert_eq!(whole, fs::read_to_string(&expected).unwrap_or_default(), "{}", case.display());
    }
}

/// The table, the bad rows and the counts as one text; or the error.
fn outcome(files: &[(&str, &[u8])], chunk_len: usize) -> String {
    match pivot(&spec(), files, chunk_len) {
        Err(error) => format!("{}: {error}\n", error.kind()),
        Ok(pivoted) => {
            let bad = match pivoted.rejects.count {
                0 => String::new(),
                _ => format!("--\n{}\n--\n{}", pivoted.rejects.summary(), pivoted.quarantine),
            };
            format!("{} rows\n--\n{}{bad}", pivoted.rows_read, pivoted.csv)
        }
    }
}

//! What is wrong with a file as a whole: its header, its encoding, its line ends; or it is none of ours at all.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    [without_rows(), headers(), encodings(), line_ends(), other_formats(), too_large()].into_iter().flatten().collect()
}

fn without_rows() -> Vec<Case> {
    vec![
        loaded("nothing at all", "", 0, &[], &[]),
        loaded("a byte order mark alone", b"\xEF\xBB\xBF", 0, &[], &[]),
        loaded("nothing but line ends", "\n\r\n\n", 0, &[], &[]),
        loaded("one CR", "\r", 0, &[], &[]),
        loaded("a header without a line end", HEADER.trim_end(), 0, &[], &[]),
        refused(
            "nothing but commas",
            ",,,\n,,,\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 4 columns; has the file no header?"#
            ),
        ),
        refused("one quote", "\"", "line 1: the header's quotes are not closed"),
        refused(
            "two quotes",
            "\"\"",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; has the file no header?"#
            ),
        ),
        refused("three quotes", "\"\"\"", "line 1: the header's quotes are not closed"),
        refused(
            "four quotes",
            "\"\"\"\"",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; has the file no header?"#
            ),
        ),
        refused(
            "nothing but NUL",
            b"\0\0\0\0",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; it has NUL bytes: is the file an archive, or not a text at all?"#
            ),
        ),
        refused(
            "a blank",
            " \n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; has the file no header?"#
            ),
        ),
    ]
}

fn headers() -> Vec<Case> {
    vec![
        loaded(
            "empty lines before the header",
            format!("\n\r\n{HEADER}Work,x,2024-01-01,x\n"),
            1,
            &["line 4, column 2 (Duration (in minutes)): not a number"],
            &[],
        ),
        refused(
            "a line of two quotes before the header",
            format!("\"\"\n{HEADER}{GOOD}"),
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; has the file no header?"#
            ),
        ),
        refused(
            "no index column",
            "Project,Duration (in minutes),End date\nWork,1,2024-01-01\n",
            r#"line 1: the column "Start date" is missing; the header has 3 columns"#,
        ),
        refused(
            "no category column",
            "Duration (in minutes),Start date\n1,2024-01-01\n",
            r#"line 1: the column "Project" is missing; the header has 2 columns"#,
        ),
        refused(
            "no value column",
            "\nProject,Start date\nWork,2024-01-01\n",
            r#"line 2: the column "Duration (in minutes)" is missing; the header has 2 columns"#,
        ),
        refused(
            "no header",
            GOOD,
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 4 columns; has the file no header?"#
            ),
        ),
        refused(
            "a header in small letters",
            "project,duration (in minutes),start date\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 3 columns; did you mean "start date"?"#
            ),
        ),
        refused(
            "the index column twice",
            "Start date,Project,Duration (in minutes),Start date\n",
            r#"line 1: duplicate column "Start date" in the header (also column 4)"#,
        ),
        refused(
            "the category column twice, with blanks",
            "Project,Duration (in minutes),Start date, Project \n",
            r#"line 1: duplicate column "Project" in the header (also column 4)"#,
        ),
        refused(
            "the value column three times",
            "Duration (in minutes),Project,Duration (in minutes),Start date,Duration (in minutes)\n",
            r#"line 1: duplicate column "Duration (in minutes)" in the header (also column 3)"#,
        ),
        loaded(
            "another column twice",
            "Project,Duration (in minutes),Start date,x,x\nWork,1,2024-01-01,,\n",
            1,
            &[],
            &[GOOD_SUM],
        ),
        refused(
            "all names in one pair of quotes",
            format!("\"{}\"\n{GOOD}", HEADER.trim_end()),
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; has the file no header?"#
            ),
        ),
        refused(
            "names in single quotes",
            "'Project','Duration (in minutes)','Start date'\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 3 columns; did you mean "'Start date'"?"#
            ),
        ),
        refused(
            "a quote that opens the header",
            format!("\"{HEADER}{GOOD}"),
            "line 1: the header's quotes are not closed",
        ),
        refused(
            "a quote that opens the last name",
            format!("Project,Duration (in minutes),Start date,\"End date\n{GOOD}{GOOD}"),
            "line 1: the header's quotes are not closed",
        ),
        refused(
            "text after a closing quote in the header",
            "\"Project\"s,Duration (in minutes),Start date\n",
            "line 1: the header's quotes are not closed",
        ),
        refused(
            "a line end within a name",
            "Project,Duration (in minutes),\"Start\ndate\"\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 3 columns; did you mean "Start\ndate"?"#
            ),
        ),
        refused(
            "NUL after a name",
            b"Project\0,Duration (in minutes),Start date\n",
            concat!(
                r#"line 1: the column "Project" is missing"#,
                r#"; the header has 3 columns; did you mean "Project\0"?"#
            ),
        ),
        refused(
            "tabs",
            "Project\tDuration (in minutes)\tStart date\nWork\t1\t2024-01-01\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; are its fields separated by tabs?"#
            ),
        ),
        refused(
            "bars",
            "Project|Duration (in minutes)|Start date\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; are its fields separated by bars?"#
            ),
        ),
        refused(
            "semicolons and quotes",
            "\"Project\";\"Duration (in minutes)\";\"Start date\"\n\"Work\";\"1\";\"2024-01-01\"\n",
            "line 1: its names are not separated by commas; are its fields separated by semicolons?",
        ),
        refused(
            "semicolons, and a comma in a name",
            "Project;Duration (in minutes);Start date;Tags, labels\nWork;1;2024-01-01;x\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 2 columns; are its fields separated by semicolons?"#
            ),
        ),
        refused(
            "what Excel writes about separators",
            format!("sep=,\n{HEADER}{GOOD}"),
            concat!(
                r#"line 1: the column "Start date" is missing; the header has 2 columns"#,
                r#"; its first line is Excel's "sep=", which "skip": 1 in the spec's format leaves out"#
            ),
        ),
    ]
}

const NO_MARK: &str = "not UTF-8: its bytes are those of UTF-16 without a byte order mark; export it as UTF-8";

fn encodings() -> Vec<Case> {
    let text = file(GOOD);
    let little_endian: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big_endian: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let cyrillic = "Проект,Начало\nРабота,2024-01-01\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let utf_32 = "not UTF-8: the file begins with a UTF-32 byte order mark; export it as UTF-8";
    let refused_whole = |name: &str, bytes: &[u8], what: &str| ended(name, bytes, &[], &format!("{KEY}: {what}"));
    vec![
        loaded("UTF-16, little end first", [&[0xFF, 0xFE][..], &little_endian].concat(), 1, &[], &[GOOD_SUM]),
        loaded("UTF-16, big end first", [&[0xFE, 0xFF][..], &big_endian].concat(), 1, &[], &[GOOD_SUM]),
        loaded("the mark of UTF-16 alone", b"\xFF\xFE", 0, &[], &[]),
        refused_whole("the mark of UTF-32", b"\xFF\xFE\0\0P\0\0\0", utf_32),
        refused_whole("the other mark of UTF-32", b"\0\0\xFE\xFF\0\0\0P", utf_32),
        refused_whole("UTF-16 without a mark, little end first", &little_endian, NO_MARK),
        refused_whole("UTF-16 without a mark, big end first", &big_endian, NO_MARK),
        refused_whole("UTF-16 without a mark, its header in Cyrillic", &cyrillic, NO_MARK),
        refused_whole("a little UTF-16 without a mark", b"P\0\n\0", NO_MARK),
        refused(
            "Latin-1 in a name that is asked for",
            b"Project,Dur\xE9e\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 2 columns; column 2 is not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8"#
            ),
        ),
        loaded(
            "Latin-1 in a name that nobody asks for",
            [b"Project,Duration (in minutes),Start date,\xE9\n", GOOD.as_bytes()].concat(),
            1,
            &[],
            &[GOOD_SUM],
        ),
        refused(
            "half a byte order mark before the header",
            [&b"\xEF\xBB"[..], text.as_bytes()].concat(),
            concat!(
                r#"line 1: the column "Project" is missing"#,
                r#"; the header has 4 columns; column 1 is not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8"#
            ),
        ),
        loaded("two byte order marks", format!("\u{feff}\u{feff}{text}"), 1, &[], &[GOOD_SUM]),
        loaded(
            "files with a byte order mark each, appended to one another",
            format!("\u{feff}{text}").repeat(6),
            6,
            &[],
            &[ALL_SUMS],
        ),
        loaded(
            "the same, with quotes around the names",
            format!("\u{feff}\"Project\"{}{GOOD}", &HEADER[7..]).repeat(6),
            6,
            &[],
            &[ALL_SUMS],
        ),
        loaded(
            "a byte order mark before quotes",
            format!("\u{feff}\"Project\"{}{GOOD}", &HEADER[7..]),
            1,
            &[],
            &[GOOD_SUM],
        ),
    ]
}

fn line_ends() -> Vec<Case> {
    vec![
        loaded(
            "lines that end with CR, also within quotes",
            file(&format!("{}\"a\nb\"\n", GOOD.trim_end().trim_end_matches('x')).repeat(6)).replace('\n', "\r"),
            6,
            &[],
            &[ALL_SUMS],
        ),
        loaded(
            "lines that end with CR, the last with nothing",
            file(GOOD.trim_end()).replace('\n', "\r"),
            1,
            &[],
            &[GOOD_SUM],
        ),
        loaded(
            "of lines that end with CR the third one bad",
            file(&format!("{GOOD}Work,1\n{GOOD}")).replace('\n', "\r"),
            3,
            &["line 3: 2 fields, the header has 4"],
            &["2024-01-01,0,2"],
        ),
        // Else both lines would be a header, and rows lost without a word.
        refused(
            "a CR within the header of lines that end with LF",
            "Project,\"a\nb\",Duration (in minutes),Start date\rWork,x,1,2024-01-01\nWork,x,1,2024-01-01\n",
            "line 1: a CR without LF in the header; do its lines end with CR alone?",
        ),
        loaded("lines that end with CR CR LF", file(&GOOD.repeat(6)).replace('\n', "\r\r\n"), 6, &[], &[ALL_SUMS]),
        loaded(
            "lines that end in two ways",
            file(&format!("{}\r\n{GOOD}", GOOD.trim_end()).repeat(3)).replacen('\n', "\r\n", 1),
            6,
            &[],
            &[ALL_SUMS],
        ),
        loaded("a CR at the very end", format!("{}\r", file(GOOD).trim_end()), 1, &[], &[GOOD_SUM]),
        bad_row(
            "a CR between two rows",
            "Work,1,2024-01-01,x\rWork,1,2024-01-01,y",
            "line 3: 7 fields, the header has 4",
        ),
        loaded(
            "rows that end with CR",
            file("Work,1,2024-01-01,x\rWork,1,2024-01-01,y\r"),
            1,
            &["line 2: 7 fields, the header has 4"],
            &[],
        ),
    ]
}

fn other_formats() -> Vec<Case> {
    let foreign = |name: &str, bytes: &[u8], what: &str| ended(name, bytes, &[], &format!("{KEY}: {what}"));
    let other_packing = "compress it with gzip or zstd, or not at all";
    vec![
        foreign(
            "a workbook",
            b"PK\x03\x04\x14\0\x06\0\x08\0[Content_Types].xml",
            "a ZIP file or workbook; convert it to CSV",
        ),
        foreign("a ZIP file", b"PK\x03\x04\x14\0\0\0\x08\0a.csv", "a ZIP file or workbook; convert it to CSV"),
        foreign(
            "a ZIP file of nothing",
            b"PK\x05\x06\0\0\0\0",
            "a ZIP file without content; upload the file that was to be in it",
        ),
        foreign(
            "an old workbook",
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0\0\0",
            "a workbook or another document of Microsoft Office; convert it to CSV",
        ),
        foreign("bzip2", b"BZh91AY&SY\x94\xA9", &format!("compressed with bzip2; {other_packing}")),
        foreign("bzip2 of nothing", b"BZh9\x17rE8P\x90\0\0\0\0", &format!("compressed with bzip2; {other_packing}")),
        foreign("compress", b"\x1F\x9D\x90\x53\xE8", &format!("compressed with compress, as .Z; {other_packing}")),
        foreign("xz", b"\xFD7zXZ\0\0\x04", &format!("compressed with xz; {other_packing}")),
        foreign("Parquet under another name", b"PAR1\x15\x04\x15\x10", "a Parquet file; give it the suffix .parquet"),
        loaded("names like the first bytes of others", format!("BZh,PK,{HEADER}0,0,{GOOD}"), 1, &[], &[GOOD_SUM]),
        foreign(
            "a web page",
            b"<!DOCTYPE html>\n<html><body>Access denied</body></html>\n",
            "a page of HTML, such as an error or a login in place of the file; download the file itself",
        ),
        refused(
            "a piece of a web page",
            "<p>Access denied</p>\n",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; is the file HTML or XML? Convert it to CSV"#
            ),
        ),
        refused(
            "JSON",
            r#"[{"Project":"Work"}]"#,
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; is the file JSON? Then its name has to end with .json"#
            ),
        ),
        refused(
            "zlib without gzip around it",
            b"\x78\x9C\x4B\x4C\x04\0",
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; column 1 is not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8"#
            ),
        ),
    ]
}

fn too_large() -> Vec<Case> {
    let what = "a row of more than 1048576 bytes or 10000 fields begins here; is a closing quote missing?";
    let begins = |line: u32| format!("line {line}: {what}");
    let mebibyte = "x".repeat(1 << 20);
    vec![
        refused("a header of more than 1 MiB", format!("{mebibyte}x\n{GOOD}"), &begins(1)),
        refused("a row of more than 1 MiB", file(&format!("{GOOD}Work,1,2024-01-01,{mebibyte}\n{GOOD}")), &begins(3)),
        refused("a quote that swallows more than 1 MiB", file(&format!("\"{}", GOOD.repeat(60_000))), &begins(2)),
        refused("more than 1 MiB without a line end", file(&mebibyte.repeat(3)), &begins(2)),
        refused("a header of more than 10,000 columns", HEADER.replace('\n', &",".repeat(9_997)), &begins(1)),
        refused("a row of more than 10,000 fields", file(&format!("{}\n{GOOD}", ",".repeat(10_000))), &begins(2)),
        bad_row("a row of 10,000 fields", ",".repeat(9_999), "line 3: 10000 fields, the header has 4"),
    ]
}

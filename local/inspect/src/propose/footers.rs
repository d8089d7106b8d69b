//! Lines at the end of files that have as many fields as a row and are none, such as sums.

use super::sample::{Sample, sample};
use super::typing::Typing;
use local::inspection::File;
use serde_json::{Value, json};

/// The fields of a format that say where the rows end.
const ENDS: [&str; 2] = ["end_at", "skip_end"];

/// The sample of files without such lines. Only of a file by itself it is known which are its last ones.
///
/// # Errors
/// The files cannot be read.
pub(super) fn dropped(mut of_all: Sample, files: &[File], typing: &Typing) -> Result<Sample, String> {
    let mut ends: Vec<Value> = Vec::new();
    let mut without = 0;
    for file in files {
        // An empty one has no footer, and no rows.
        let Ok(mut of_file) = sample(std::slice::from_ref(file)) else { continue };
        let footer = typing.footer(&of_file);
        if footer == 0 {
            without += 1;
            continue;
        }
        of_file.drop_last(footer);
        if files.len() == 1 {
            return Ok(of_file);
        }
        let format = of_file.source["format"].as_object();
        let end = format.into_iter().flatten().filter(|(field, _)| ENDS.contains(&field.as_str()));
        let end = end.map(|(field, value)| (field.clone(), value.clone())).collect::<Value>();
        if !ends.contains(&end) {
            ends.push(end);
            of_all.unsure.extend(of_file.unsure.pop());
        }
    }
    match &ends[..] {
        [] => {}
        // A number of lines is of every file, the beginning of a line only of those that have it.
        [end] if without == 0 || end["skip_end"].is_null() => {
            let mut format = of_all.source["format"].as_object().cloned().unwrap_or_default();
            format.extend(end.as_object().cloned().unwrap_or_default());
            of_all.source["format"] = json!(format);
            of_all.read_again(files)?;
        }
        _ => {
            of_all.unsure.truncate(of_all.unsure.len() - ends.len());
            of_all.unsure.push(
                "some of the files end with lines that seem to be no rows, and others do not, or end with other ones: \
                 these lines are read as rows. Write \"end_at\" in \"format\", with what such lines begin with"
                    .to_owned(),
            );
        }
    }
    Ok(of_all)
}

#[cfg(test)]
mod tests {
    use crate::propose::propose;
    use local::inspection::{File, Propose, Wishes};
    use serde_json::{Value, json};

    /// The format and the type of the amount that are proposed for files with these last lines, and what is said.
    fn proposed(name: &str, last_lines: &[&str]) -> (Value, Value, Vec<String>) {
        let folder = std::env::temp_dir().join(format!("sluice-footers-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |(number, last): (usize, &&str)| {
            let rows: String = (1..10).map(|day| format!("2024-{:02}-0{day},{day}.5\n", number + 1)).collect();
            let key = format!("{number}.csv");
            let path = folder.join(&key);
            std::fs::write(&path, format!("day,amount\n{rows}{last}")).unwrap();
            File { key, path }
        };
        let files = last_lines.iter().enumerate().map(file).collect();
        let proposal = propose(&Propose { files, table: "t".to_owned(), wishes: Wishes::default() });
        std::fs::remove_dir_all(&folder).unwrap();
        let proposal = proposal.unwrap();
        let source = proposal.parts.source;
        (source["format"].clone(), source["columns"]["day"]["type"].clone(), proposal.unsure)
    }

    #[test]
    fn last_lines_that_are_no_rows_are_found_in_each_file() {
        let is_said = |unsure: &[String], text: &str| unsure.iter().filter(|line| line.contains(text)).count();
        let (format, day, unsure) = proposed("word", &["Total,45\n", "Total,46\n", ""]);
        assert_eq!((format, day), (json!({"end_at": ["Total"]}), json!("date")));
        assert_eq!(is_said(&unsure, "the last line is not read"), 1, "{unsure:?}");
        let (format, day, _) = proposed("number", &["9 days,45\n", "9 days,46\n"]);
        assert_eq!((format, day), (json!({"skip_end": 1}), json!("date")));
        // To leave out the last line of a file that has no such line would lose a row.
        let (format, day, unsure) = proposed("some", &["9 days,45\n", ""]);
        assert_eq!((format, day), (Value::Null, Value::Null));
        assert_eq!(is_said(&unsure, "some of the files end with lines"), 1, "{unsure:?}");
        assert_eq!(is_said(&unsure, "the last line is not read"), 0, "{unsure:?}");
    }
}

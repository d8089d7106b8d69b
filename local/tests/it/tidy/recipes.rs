//! The page of recipes shows what is tested: the jobs, samples and tables of the examples, and why each field is there.

use crate::support::fields::Schema;
use crate::support::files;
use crate::tidy::repository::read;
use local::binaries::workspace;
use serde_json::Value;
use std::fs;

/// How many lines of the template a job costs at most.
const MOST_LINES: usize = 15;

const PAGE: &str = "local/spec/recipes.md";

/// The block of this kind in a section, without its fences.
fn block<'s>(section: &'s str, kind: &str) -> Option<&'s str> {
    section.split_once(&format!("```{kind}\n"))?.1.split_once("```").map(|(block, _)| block)
}

/// Between two texts.
fn between<'s>(text: &'s str, start: &str, end: &str) -> Option<&'s str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

#[test]
fn recipes_are_the_examples_as_they_are_tested() {
    let (page, schema) = (read(PAGE), Schema::read());
    let (intro, _) = page.split_once("\n## ").unwrap();
    let mut found = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let (title, text) = section.split_once('\n').unwrap();
        let example = between(text, "](examples/", ")").unwrap_or_else(|| panic!("{title} names no example"));
        found.push((title, example));
        let folder = workspace().join("local/spec/examples").join(example);
        let content = |path: &str| fs::read_to_string(folder.join(path)).unwrap_or_else(|_| panic!("{title}: {path}"));

        let job = block(text, "yaml").unwrap();
        assert!(job.lines().count() <= MOST_LINES, "{title} has {} lines", job.lines().count());
        let template = format!("Shared: &shared {{}}\nResources:\n{job}");
        let jobs = local::template::jobs(&local::template::parse(&template).unwrap(), &template).unwrap();
        let [job] = &jobs[..] else { panic!("{title} is one job") };
        let said = job.files().unwrap();
        let mut shown = serde_json::to_value(&said.parts).unwrap();
        shown["prefix"] = said.prefix.clone().into();
        let spec: Value = serde_json::from_str(&content("spec.json")).unwrap();
        assert_eq!((job.name.as_str(), &shown), (example, &spec), "{title}");

        let (_, behind) = text.split_once("```yaml").unwrap();
        assert_eq!(block(behind, "csv"), Some(content("expected.csv").as_str()), "{title}");
        let (before, _) = text.split_once("```yaml").unwrap();
        match block(before, "text") {
            Some(keys) => {
                let all: Vec<String> = files::read(&folder.join("in")).into_keys().collect();
                assert_eq!(keys.lines().collect::<Vec<_>>(), all, "{title}");
            }
            None => {
                let sample = block(before, "csv").or(block(before, "json")).unwrap();
                let path = between(before, "`in/", "`").unwrap();
                assert!(content(&format!("in/{path}")).starts_with(sample), "{title}: in/{path} begins otherwise");
            }
        }

        let (_, why) = behind.split_once("```csv").unwrap();
        for pattern in schema.values(&spec).keys() {
            let name = pattern.rsplit('/').next().unwrap();
            let is_told = [intro, why].iter().any(|text| text.contains(&format!("`{name}`")));
            // With a value, or in short, it is told as well.
            let is_told = is_told || why.contains(&format!("`{name}: "));
            let is_part = ["source", "shape", "target", "prefix", "*"].contains(&name);
            assert!(is_told || is_part, "{title} does not say why {pattern} is there");
        }
    }
    let expected = [
        ("Toggl export", "toggl-export"),
        ("European bank export", "european-bank"),
        ("Month-to-date snapshot", "month-to-date-snapshots"),
        ("Events as JSON lines", "json-events"),
        ("Parquet written by Spark, partitioned by day", "spark-parquet-by-day"),
        ("Customers by id", "customers"),
    ];
    assert_eq!(found, expected);
    for (title, _) in found {
        let anchor = title.to_lowercase().replace(',', "").replace(' ', "-");
        assert!(intro.contains(&format!("[{title}](#{anchor})")), "{title} is not in the list");
    }
}

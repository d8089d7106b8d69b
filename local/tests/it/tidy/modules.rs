//! No module of a crate needs itself by way of another one, so that each can be read by itself, from the leaves
//! upwards.
//!
//! A module and the modules in its folder are one unit to the outside, and may name each other: `foo.rs` uses its
//! children, and they use `super::`. Among the children of one module, and among the units of a crate, there must be
//! an order. What is re-exported counts as used from where it is defined; tests do not count.

use local::binaries::workspace;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's place in its crate; the root has none.
type Module = Vec<String>;

/// Code in words, without comments, literals and what is only compiled for tests.
fn words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            words.push("\"\"".to_owned());
            length
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|other: char| !other.is_alphanumeric() && other != '_').unwrap_or(rest.len());
            words.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            words.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                words.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    without_tests(&words)
}

/// The length of the text or character that the code starts with, if it does.
fn literal(code: &str) -> Option<usize> {
    let unmarked = code.strip_prefix('b').unwrap_or(code);
    let mark = code.len() - unmarked.len();
    if let Some(raw) = unmarked.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 1;
            return Some(mark + 1 + start + raw[start..].find(&end).map_or(raw.len() - start, |at| at + end.len()));
        }
    }
    let quote = unmarked.chars().next().filter(|first| ['"', '\''].contains(first))?;
    let mut characters = unmarked.char_indices().skip(1);
    let mut count = 0;
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Some(mark + at + 1),
            '\\' => drop(characters.next()),
            // A lifetime has no closing mark.
            _ if quote == '\'' && count > 0 => break,
            _ => {}
        }
        count += 1;
        // An escape such as '\u{1f}' is longer than one character.
        if quote == '\'' && character == '\\' {
            count = 0;
        }
    }
    None
}

/// Leaves out each item behind `#[cfg(test)]`: up to its semicolon, or to the end of its braces.
fn without_tests(words: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at..].iter().zip(MARK).filter(|(word, mark)| word.as_str() == *mark).count() < MARK.len() {
            kept.push(words[at].clone());
            at += 1;
            continue;
        }
        at += MARK.len();
        let mut depth = 0;
        while at < words.len() {
            let word = words[at].as_str();
            depth += i32::from(word == "{") - i32::from(word == "}");
            at += 1;
            if depth == 0 && (word == ";" || word == "}") {
                break;
            }
        }
    }
    kept
}

/// A path that the code names, and the name that it has from then on if it is imported.
struct Named {
    path: Vec<String>,
    alias: Option<String>,
}

/// All paths, of imports and within expressions.
fn paths(words: &[String]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let is_import = words[at] == "use";
        let is_path = ["crate", "super", "self"].contains(&words[at].as_str());
        if is_import {
            at = tree(words, at + 1, &[], &mut found);
        } else if is_path && words.get(at + 1).is_some_and(|next| next == "::") {
            let mut path = vec![words[at].clone()];
            while words.get(at + 1).is_some_and(|next| next == "::")
                && words.get(at + 2).is_some_and(|name| name.starts_with(|first: char| first.is_alphabetic()))
            {
                path.push(words[at + 2].clone());
                at += 2;
            }
            found.push(Named { path, alias: None });
        }
        at += 1;
    }
    found
}

/// Reads an import, such as `a::{b, c as d}`, from `at` on; returns where it ends.
fn tree(words: &[String], mut at: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut path = before.to_vec();
    loop {
        match words.get(at).map(String::as_str) {
            Some("::") => at += 1,
            Some("{") => {
                at += 1;
                while words.get(at).is_some_and(|word| word != "}") {
                    at = tree(words, at, &path, found);
                    at += usize::from(words.get(at).is_some_and(|word| word == ","));
                }
                return at + 1;
            }
            Some("as") => {
                found.push(Named { path, alias: words.get(at + 1).cloned() });
                return at + 2;
            }
            Some("*") => {
                found.push(Named { path, alias: None });
                return at + 1;
            }
            Some("," | "}" | ";") | None => {
                // `use a::{self}` names `a`.
                if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                    path.pop();
                }
                let alias = path.last().cloned();
                found.push(Named { path, alias });
                return at;
            }
            Some(name) => {
                path.push(name.to_owned());
                at += 1;
            }
        }
    }
}

/// The modules of a crate and what they import, by their names.
struct Crate {
    /// What each module names.
    named: BTreeMap<Module, Vec<Named>>,
}

impl Crate {
    /// Reads the files of a crate's `src`.
    fn read(src: &Path) -> Self {
        let mut files = Vec::new();
        rust_files(src, &mut files);
        let mut sources = BTreeMap::<Module, String>::new();
        for file in files {
            let path = file.strip_prefix(src).unwrap().with_extension("");
            let mut module: Module = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module.last().is_some_and(|last| last == "mod") || ["lib", "main"].contains(&module.join("/").as_str()) {
                module.pop();
            }
            sources.entry(module).or_default().push_str(&fs::read_to_string(file).unwrap());
        }
        Self::of(sources)
    }

    fn of(sources: BTreeMap<Module, String>) -> Self {
        Self { named: sources.into_iter().map(|(module, code)| (module, paths(&words(&code)))).collect() }
    }

    /// The module that a path leads to, named in the module `from`; `None` if that is in another crate.
    fn target(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        // Re-exports that lead in circles do not compile, but a bound costs nothing.
        if depth > 8 {
            return None;
        }
        let mut at = from.clone();
        let mut steps = path.iter().peekable();
        match path.first()?.as_str() {
            "crate" => drop((at.clear(), steps.next())),
            "self" => drop(steps.next()),
            "super" => {
                while steps.next_if(|step| *step == "super").is_some() {
                    at.pop()?;
                }
            }
            // In today's edition, the name of a module of its own or of another crate.
            first => {
                let child = [at.as_slice(), &[first.to_owned()]].concat();
                self.named.contains_key(&child).then_some(())?;
            }
        }
        while let Some(step) = steps.next() {
            let child = [at.as_slice(), std::slice::from_ref(step)].concat();
            if self.named.contains_key(&child) {
                at = child;
                continue;
            }
            // Something that this module has, or that it imports from where it is.
            let imports = self.named.get(&at).into_iter().flatten();
            let imported = imports.filter(|named| named.alias.as_ref() == Some(step)).find_map(|named| {
                let rest: Vec<String> = named.path.iter().chain(steps.clone()).cloned().collect();
                (named.path != path || at != *from).then(|| self.target(&at, &rest, depth + 1))?
            });
            return Some(imported.unwrap_or(at));
        }
        Some(at)
    }

    /// Which units need which, by the module that they are in.
    fn needs(&self) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
        let mut needs = BTreeMap::<Module, BTreeMap<String, BTreeSet<String>>>::new();
        for (from, named) in &self.named {
            for to in named.iter().filter_map(|named| self.target(from, &named.path, 0)) {
                let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
                // One in the folder of the other, or the same: they are one unit.
                let (Some(user), Some(used)) = (from.get(common), to.get(common)) else { continue };
                let units = needs.entry(from[..common].to_vec()).or_default();
                units.entry(user.clone()).or_default().insert(used.clone());
            }
        }
        needs
    }

    /// The shortest cycle through each unit that is in one, as a chain of names.
    fn cycles(&self) -> BTreeSet<String> {
        let mut cycles = BTreeSet::new();
        for (parent, units) in self.needs() {
            for start in units.keys() {
                let Some(mut cycle) = shortest_cycle(&units, start) else { continue };
                // It begins with the first name of the alphabet, so that each is told once.
                let first = (0..cycle.len()).min_by_key(|place| cycle[*place]).unwrap();
                cycle.rotate_left(first);
                cycle.push(cycle[0]);
                let place = parent.iter().map(|name| format!("{name}::")).collect::<String>();
                cycles.insert(cycle.iter().map(|name| format!("{place}{name}")).collect::<Vec<_>>().join(" -> "));
            }
        }
        cycles
    }
}

fn shortest_cycle<'a>(units: &'a BTreeMap<String, BTreeSet<String>>, start: &'a String) -> Option<Vec<&'a String>> {
    let mut ahead = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(chain) = ahead.pop_front() {
        for next in units.get(*chain.last()?).into_iter().flatten() {
            if next == start {
                return Some(chain);
            }
            if seen.insert(next) {
                ahead.push_back([chain.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The packages of the workspace, by their folders.
fn packages() -> Vec<PathBuf> {
    let folders = ["functions", "functions/lib"].map(|folder| fs::read_dir(workspace().join(folder)).unwrap());
    let folders = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    folders
        .chain(["local", "local/inspect", "local/page"].map(|folder| workspace().join(folder)))
        .filter(|folder| folder.join("src").is_dir())
        .collect()
}

#[test]
fn no_crate_has_a_cycle_of_modules() {
    let mut found = Vec::new();
    for package in packages() {
        let modules = Crate::read(&package.join("src"));
        assert!(modules.named.len() > 1, "{} has no modules", package.display());
        let name = package.file_name().unwrap().to_str().unwrap().to_owned();
        found.extend(modules.cycles().into_iter().map(|cycle| format!("{name}: {cycle}")));
    }
    assert!(found.is_empty(), "modules that need each other:\n{}", found.join("\n"));
}

#[test]
fn cycles_are_found_however_a_module_is_named() {
    let cycles = |files: &[(&str, &str)]| -> Vec<String> {
        let module = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect();
        let sources = files.iter().map(|(path, code)| (module(path), (*code).to_owned())).collect();
        Crate::of(sources).cycles().into_iter().collect()
    };
    let root = ("", "mod a; mod b; mod c;");
    for code in [
        "use crate::b::Item;",
        "use crate::{c::Other, b};",
        "use super::b::{self};",
        "fn f() -> crate::b::Item { 1 }",
        "pub(crate) use crate::b as d;",
        "const QUOTE: char = '\"'; fn f<'a>(x: &'a str) { super::b::g(b'\\'', x, \"//\") }",
    ] {
        let files = [root, ("a", code), ("b", "use crate::a::f;"), ("c", "")];
        assert_eq!(cycles(&files), ["a -> b -> a"], "{code}");
    }
    for code in [
        "// use crate::b;",
        "/* crate::b::x */ use std::b;",
        "const TEXT: &str = r#\"crate::b::x\"#;",
        "#[cfg(test)]\nmod tests { use crate::b::Item; }",
        "#[cfg(test)]\nuse crate::b::Item;",
    ] {
        assert!(cycles(&[root, ("a", code), ("b", "use crate::a::f;"), ("c", "")]).is_empty(), "{code}");
    }
    // By way of a third one, and by what the root or a parent exports.
    let three = [root, ("a", "use crate::b;"), ("b", "use crate::c;"), ("c", "use crate::a;")];
    assert_eq!(cycles(&three), ["a -> b -> c -> a"]);
    let exported = [("", "mod a; mod b; pub use b::Item;"), ("a", "use crate::Item;"), ("b", "use crate::a;")];
    assert_eq!(cycles(&exported), ["a -> b -> a"]);
    // A module and its folder are one unit; within it, and to the outside, there is an order.
    let family = ("a", "mod x; mod y; use x::f; pub use y::g;");
    let free = [("", "mod a; mod b;"), family, ("a/x", "use super::K; use super::g;"), ("a/y", "use super::K;")];
    assert!(cycles(&free).is_empty());
    let siblings = [("", "mod a;"), family, ("a/x", "use super::g;"), ("a/y", "use crate::a::x;")];
    assert_eq!(cycles(&siblings), ["a::x -> a::y -> a::x"]);
    let outside = [("", "mod a; mod b;"), family, ("a/x", "use crate::b;"), ("a/y", ""), ("b", "use crate::a::y;")];
    assert_eq!(cycles(&outside), ["a -> b -> a"]);
}

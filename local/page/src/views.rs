//! The views: functions of what is known, which write HTML. Texts of others reach it through the template engine only.

pub mod action;
mod calendar;
mod changed;
mod files;
mod frame;
mod graph;
mod grid;
mod history;
mod job;
mod jobs;
mod logs;
mod marks;
mod notices;
mod plots;
mod run;
mod timeline;

pub use files::{files, why};
pub use frame::{SCRIPT, STYLE, asset_address, page, part, refused};
pub use job::job;
pub use jobs::jobs;
pub use logs::{LogFilter, log, log_text};
pub(crate) use notices::unread;
pub use run::{RunQuery, run};

use crate::zone::Clock;
use maud::Markup;

/// Who reads, and when.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Their zone, and the time.
    pub clock: Clock,
    /// The path and query of the view, which a choice of a zone comes back to.
    pub address: String,
}

/// A view that was written.
pub struct View {
    /// For the browser's tab.
    pub title: String,
    /// Whether it is one of the files.
    pub is_files: bool,
    /// The job that its link to files leads to.
    pub job: Option<String>,
    /// Something that it shows changes by itself, soon.
    pub is_running: bool,
    /// It shows what changes.
    pub is_live: bool,
    /// Its parts, which can be fetched one by one.
    pub blocks: Vec<Block>,
}

/// A part of a view, or two columns of them.
pub enum Block {
    /// One, across the whole width.
    Part(&'static str, Markup),
    /// Two columns.
    Two(Vec<(&'static str, Markup)>, Vec<(&'static str, Markup)>),
}

impl View {
    /// All parts, by their names.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &Markup)> {
        self.blocks.iter().flat_map(|block| match block {
            Block::Part(name, markup) => vec![(*name, markup)],
            Block::Two(left, right) => left.iter().chain(right).map(|(name, markup)| (*name, markup)).collect(),
        })
    }
}

/// A path of an address: each part encoded, so that a name cannot lead elsewhere.
pub fn path(parts: &[&str]) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
    parts.iter().fold(String::new(), |path, part| format!("{path}/{}", utf8_percent_encode(part, SET)))
}

/// A value in the query of an address.
pub fn value(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests;

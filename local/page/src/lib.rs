//! The page on which the runs of a stack's jobs are seen and started: for a stack on this machine and one on an account
//! alike, since all it asks are the APIs of AWS and the job's database.
//!
//! # Layout
//! Pure, each a function of plain data: [`model`] is what is shown, of a [`kind`] and with an [`outcome`];
//! [`definition`] is a state machine, [`fold`] makes the story of a run out of its history, [`marks`] says of each
//! state what became of it, [`loading`] whether anything may be loaded, `names` what items are called, [`layout`]
//! places the states and [`curve`] draws between them, [`facts`] reads input and output, [`windows`] which of them
//! are loaded, [`changes`] compares what two runs ran with, [`errors`] reads causes, [`log`] lines, both without the
//! values that [`unquoted`] cuts, [`files`] listings, [`schedule`] a clock's rule; [`words`] and [`zone`] write numbers
//! and times for people; a [`look`](look::Look) is what somebody looks at.
//!
//! At AWS and the disk: [`source`] and `database` ask, `described` reads what a state machine says of its job,
//! [`poll`] decides which `task` comes next, [`pace`] how often, [`reads`] says when that was, `runs` puts lists and
//! rows together, `records` are those of kinds without a database, a `shelf` is what was read of a job's objects,
//! [`cache`] keeps what has ended; [`credentials`] are who asks, [`trouble`] is why there is no answer.
//!
//! In the browser: [`views`] writes the HTML from what is [`shared`], [`addresses`] says which, [`live`] tells a tab
//! what changed, [`actions`] is what may be started, [`guard`] lets only this machine's user in, by a [`token`];
//! [`serve`] puts all of it, the [`app`], behind a port, and answers by a [`reply`].

pub mod actions;
pub mod addresses;
pub mod app;
pub mod cache;
pub mod changes;
pub mod credentials;
pub mod curve;
mod database;
pub mod definition;
mod described;
pub mod errors;
pub mod facts;
pub mod files;
pub mod fold;
pub mod guard;
pub mod kind;
pub mod layout;
pub mod live;
pub mod loading;
pub mod log;
pub mod look;
pub mod marks;
pub mod model;
mod names;
pub mod outcome;
pub mod pace;
pub mod poll;
mod quarantine;
pub mod reads;
mod records;
pub mod reply;
mod runs;
pub mod schedule;
pub mod serve;
pub mod shared;
mod shelf;
pub mod source;
mod task;
pub mod token;
pub mod trouble;
pub mod unquoted;
pub mod views;
pub mod windows;
pub mod words;
pub mod zone;

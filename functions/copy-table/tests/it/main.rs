//! Copies between two real databases: types, windows, late rows, writing, memory, ghosts, and histories of all of
//! these.

mod actions;
mod faults;
mod histories;
mod late;
mod memory;
mod planning;
mod preflight;
mod support;
mod types;
mod windows;
mod writing;

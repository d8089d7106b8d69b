//! Copies between two real databases: types, windows, late rows, writing, memory, ghosts, and histories of all of
//! these.

mod actions;
mod constraints;
mod faults;
mod histories;
mod late;
mod long_rows;
mod memory;
mod parts;
mod planning;
mod preflight;
mod prepare;
mod replica;
mod servers;
mod support;
mod tls;
mod types;
mod versions;
mod views;
mod visible;
mod windows;
mod writing;

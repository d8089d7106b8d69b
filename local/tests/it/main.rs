//! Tests of the whole, by subject. One stack serves all of them; each has a deployment and a database of its own.

mod executions;
mod faults;
mod functions;
mod standins;
mod support;
mod tidy;

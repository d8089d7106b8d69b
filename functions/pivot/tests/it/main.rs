//! The pure core from bytes to CSV: golden cases and properties.

mod compressed;
mod golden;
mod properties;
mod support;

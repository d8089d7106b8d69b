//! Objects in and out of S3, in parts.

pub(crate) mod download;
pub(crate) mod upload;

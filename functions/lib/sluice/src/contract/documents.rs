//! Objects of the bucket, each at one version; and the documents that any kind of job may leave there.

use serde::{Deserialize, Serialize};

/// One version of one object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The decoded key.
    pub key: String,
    /// The entity tag: opaque, only good for `If-Match`.
    pub etag: String,
}

/// One listed file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SourceFile {
    /// The key as listed.
    pub key: String,
    /// The entity tag as listed.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// RFC 3339, whole seconds.
    pub last_modified: String,
}

/// Who may work on this job.
#[derive(Debug, Deserialize, Serialize)]
pub struct Lock {
    /// ARN of the owning execution. The lock is free once that is no longer RUNNING.
    pub owner: String,
    /// When that was started, RFC 3339.
    pub started_at: String,
    /// The owner needs it no longer, whether it is RUNNING or not.
    #[serde(default)]
    pub released: bool,
}

/// The files of one batch of a committed run.
#[derive(Debug, Deserialize, Serialize)]
pub struct LedgerEntry {
    /// ARN of the execution that loaded them.
    pub execution: String,
    /// The manifest's `detected_at`.
    pub detected_at: String,
    /// What was loaded.
    pub files: Vec<SourceFile>,
    /// Those that were set aside whole: they are not tried again at this version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bad: Vec<SourceFile>,
    /// Into which generation of the target: see [`Loaded`](super::Loaded).
    #[serde(default)]
    pub generation: String,
    /// The `detected_at` of the run that this one came after, by the target's own record: of those between the two
    /// nothing is in the target, since its database was restored. Empty if this one began with nothing, in a new
    /// generation or by a reload.
    #[serde(default)]
    pub after: String,
    /// The run is about to commit, and may never say whether it did: none of these files is known at any version.
    #[serde(default)]
    pub in_doubt: bool,
}

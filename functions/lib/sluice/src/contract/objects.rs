//! Objects of the bucket, each at one version.

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

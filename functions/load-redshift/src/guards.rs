//! Guards: queries without a row when all is well. Else they cast a text that names what is wrong to a number, which
//! fails the batch, so everything in it is undone, and the text is in the error. The text depends on a count, so no
//! planner can cast it early.

use redshift::failure::GUARD;

/// What a guard finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// This very load is recorded: its answer was lost.
    AlreadyLoaded,
    /// A load is recorded whose rows were read later than these.
    Stale,
    /// A window is loaded that was not over when this one was read, and was read later: rows that went there and were
    /// deleted could come back.
    Returns,
    /// The window before this one is not loaded, and this one depends on it.
    Past,
    /// The table would lose more rows than the spec allows.
    Shrinks,
    /// Not as many rows as were read.
    RowsLoaded,
    /// The values of a column do not add up to what was read.
    SumsDiffer,
    /// A column of the key is NULL.
    NullKey,
    /// The rows that were read have a key twice.
    DuplicateKeys,
    /// A key of these rows is in the table twice already.
    KeyAudit,
}

impl Guard {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::AlreadyLoaded,
        Self::Stale,
        Self::Returns,
        Self::Past,
        Self::Shrinks,
        Self::RowsLoaded,
        Self::SumsDiffer,
        Self::NullKey,
        Self::DuplicateKeys,
        Self::KeyAudit,
    ];

    /// Its name in the error.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlreadyLoaded => "already_loaded",
            Self::Stale => "stale",
            Self::Returns => "returns",
            Self::Past => "past",
            Self::Shrinks => "shrinks",
            Self::RowsLoaded => "rows_loaded",
            Self::SumsDiffer => "sums_differ",
            Self::NullKey => "null_key",
            Self::DuplicateKeys => "duplicate_keys",
            Self::KeyAudit => "key_audit",
        }
    }

    /// The query: a row, and with it an error, if `violation` holds over the rows of `source`.
    pub fn query(self, source: &str, violation: &str) -> String {
        self.telling("count(*)", source, violation)
    }

    /// The same, with another number in the error.
    pub fn telling(self, number: &str, source: &str, violation: &str) -> String {
        format!("select cast('{GUARD}{}:' || {number} as int) from {source} having {violation}", self.name())
    }
}

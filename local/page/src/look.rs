//! What somebody looks at, by the address of the view.

/// A view that is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// All jobs.
    Jobs,
    /// A job.
    Job(String),
    /// A run of a job.
    Run(String, String),
    /// The files of a job.
    Files(String),
}

impl Look {
    /// What the reader of an address looks at.
    pub(crate) fn at(address: &str) -> Self {
        let (path, _) = address.split_once('?').unwrap_or((address, ""));
        let decoded = segments(path);
        let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
        match parts[..] {
            ["jobs", job, "files", ..] => Self::Files(job.to_owned()),
            ["jobs", job, "runs", run, ..] => Self::Run(job.to_owned(), run.to_owned()),
            ["jobs", job, ..] => Self::Job(job.to_owned()),
            _ => Self::Jobs,
        }
    }

    /// The job that it is of.
    pub(crate) fn job(&self) -> Option<&str> {
        match self {
            Self::Jobs => None,
            Self::Job(job) | Self::Run(job, _) | Self::Files(job) => Some(job),
        }
    }
}

/// The parts of a path, decoded.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

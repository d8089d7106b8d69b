//! The JSON between the states, and the documents the states leave for one another in the bucket.
//!
//! A payload carries references and counts, never rows or lists of files: Step Functions ends an execution whose
//! payload exceeds 262,144 bytes, and no Catch sees that.
//!
//! # Documents of one execution
//! ```text
//! intermediate_data/<job>/<execution>/<attempt>/
//!     batch-00000.json        BatchManifest  by detect-new-files
//!     manifest.json           Manifest       by detect-new-files, after its batches
//!     plan.json               Plan           by copy-table, another one by plan-export
//!     source.json             SourceTable    by export-table
//!     window-00000/           packed CSV     by export-table, as COPY takes it, with what it counted (Export)
//!     pivoted-00000.pgcopy    partial sums   by pivot, as COPY takes them
//!     result-00000.json       PivotResult    by pivot, beside the manifest, once
//! quarantine/<job>/<execution>/
//!     batch-00000.csv         rejected rows  by pivot
//!     keys.json               [NamedKeys]    by upsert, if notes or an error are about keys that are no dates
//! state/<job>/
//!     lock.json               Lock           by detect-new-files
//!     again.json              Again          by detect-new-files
//!     loaded.json             Loaded         by upsert, after its commit
//!     unnamed.json            Unnamed        by detect-new-files, if it could not ask for the names of all errors
//!     ledger/<detected at>-<execution>-00000.json
//!                             LedgerEntry    by upsert, in doubt, then certain after its commit
//! state/<job>/runs/
//!     <execution>.json        EltRun         by publish-elt, after publishing
//! state/<job>/<execution>/
//!     window-00000.json       WindowFailure  by copy-table, if the window was not copied
//! state/<job>/runs/
//!     <execution>.json        sums of a run  by load-redshift
//!     <execution>/window-00000.json
//!                             WindowRecord   by load-redshift
//! state/database-access/<instance>/<machine>/
//!     <execution>.json        Lease          by database-access, while the run needs it
//! ```
//! `<attempt>` is the id of the invocation that wrote the document, for results that of the manifest they belong to. So
//! an invocation that was given up but still runs cannot change what a later one has written; and of two that pivot the
//! same batch, the first one's result stays.

pub mod athena_elt;
pub mod copy_table;
mod database_access;
mod documents;
mod execution;
pub mod keys;
pub mod mysql_to_redshift;
mod transform_and_upsert;

pub use database_access::*;
pub use documents::*;
pub use execution::*;
pub use transform_and_upsert::*;

//! The three functions of the kind `mysql-to-redshift`, one after the other: a real MySQL or MariaDB, S3 of the local
//! AWS, and the stand-in for Redshift. What is right is read from both databases by clients of their own.

mod audits;
mod backfills;
mod deleted;
mod guards;
mod kept;
mod lab;
mod modes;
mod order;
mod prepared;
mod types;
mod verified;

"""A local Athena: real SQL on the objects of a local S3 and the tables of a local Glue."""

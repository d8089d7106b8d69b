"""What a query may touch: tables of Glue and objects of S3, with the permissions of its caller, as on AWS."""

from . import serde
from .errors import QueryError

_FORMATS = {
    serde.PARQUET: (
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    ),
}
_TEXT_FORMATS = (
    "org.apache.hadoop.mapred.TextInputFormat",
    "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
)


class Access:
    """Looks up and checks for a query. `host` has the objects, the tables and the permissions."""

    def __init__(self, host):
        self.host = host

    def table(self, database, name):
        """The table as Glue has it, or None."""
        return self.host.get_table(database, name)

    def wanted(self, database, name):
        """The same; without one the query fails."""
        table = self.table(database, name)
        if table is None:
            raise QueryError("TABLE_NOT_FOUND", f"line 1:15: Table 'awsdatacatalog.{database}.{name}' does not exist")
        return table

    def check(self, execution, action, database, table=None):
        """Glue wants an action to be allowed on the catalogue, the database and the table."""
        for resource in ["catalog", f"database/{database}"] + ([f"table/{database}/{table}"] if table else []):
            arn = self.host.arn("glue", resource)
            if not self.host.allows(execution.caller, action, arn):
                raise QueryError(
                    "",
                    f"Insufficient permissions to execute the query. User is not authorized to perform: {action} "
                    f"on resource: {arn} because no identity-based policy allows the {action} action",
                )

    def check_s3(self, execution, action, bucket, key=""):
        arn = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
        if not self.host.allows(execution.caller, action, arn):
            raise QueryError(
                "PERMISSION_DENIED",
                f"Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied) {action} {arn}",
            )

    def must_be_empty(self, location, message, execution):
        bucket, prefix = split(location)
        self.check_s3(execution, "s3:ListBucket", bucket)
        if self.host.list(bucket, prefix):
            raise QueryError(
                "HIVE_PATH_ALREADY_EXISTS",
                f"{message}. You may need to manually clean the data at location "
                f"'{execution.base}tables/{execution.query_id}' before retrying. "
                "Athena will not delete data in your account.",
            )


def partition_folder(keys, wanted):
    """The part of a key that tells a partition: `name=value/` for each of its columns."""
    return "".join(
        f"{key}={'__HIVE_DEFAULT_PARTITION__' if value is None else value}/" for key, value in zip(keys, wanted)
    )


def table_input(name, columns, location, library, parameters, keys, properties):
    """Glue's TableInput, as Athena writes it."""
    source, sink = _FORMATS.get(library, _TEXT_FORMATS)
    return {
        "Name": name,
        "Owner": "hadoop",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": properties,
        "PartitionKeys": [{"Name": key, "Type": kind} for key, kind in keys],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in columns],
            "Location": location,
            "InputFormat": source,
            "OutputFormat": sink,
            "Compressed": False,
            "NumberOfBuckets": -1,
            "SerdeInfo": {"SerializationLibrary": library, "Parameters": parameters or {"serialization.format": "1"}},
            "BucketColumns": [],
            "SortColumns": [],
            "Parameters": {},
            "StoredAsSubDirectories": False,
        },
    }


def split(location):
    """Bucket and prefix of `s3://bucket/prefix`."""
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    return bucket, prefix

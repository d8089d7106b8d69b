"""Statements that compute: SELECT, CREATE TABLE AS, UNLOAD, INSERT."""

from . import serde, translate, values
from .access import partition_folder, split, table_input
from .errors import NotHere, QueryError
from .session import Outcome, Session


class Queries:
    """A method per statement: `(statement, execution)` to an `Outcome`. `writers`: how many files a statement writes at
    most; AWS does as it pleases."""

    def __init__(self, access, writers):
        self.access, self.host, self.writers = access, access.host, writers

    def select(self, statement, execution):
        with Session(self.access, statement.query, execution) as session:
            return session.fetch(session.translated(statement.query))

    def ctas(self, statement, execution):
        database, table = statement.database, statement.table
        self.access.check(execution, "glue:CreateTable", database, table)
        if self.access.table(database, table) is not None:
            if statement.if_exists:
                return Outcome(update_count=0)
            raise QueryError(
                "TABLE_ALREADY_EXISTS",
                f"line 1:1: Destination table 'awsdatacatalog.{database}.{table}' already exists",
            )
        if self.host.get_database(database) is None:
            raise QueryError("SCHEMA_NOT_FOUND", f"line 1:1: Schema '{database}' does not exist")
        properties = statement.properties
        if properties.get("table_type", "HIVE").upper() != "HIVE":
            raise NotHere(f"tables of type {properties['table_type']}")
        form = properties.get("format", "PARQUET").upper()
        location = properties.get("external_location") or f"{execution.base}tables/{execution.query_id}"
        location = location.rstrip("/") + "/"
        self.access.must_be_empty(
            location, f"Target directory for table '{database}.{table}' already exists: {location}", execution
        )
        with Session(self.access, statement.query, execution) as session:
            columns, count = session.materialise(translate.without_order(statement.query))
            keys = properties.get("partitioned_by") or []
            if [name for name, _ in columns][len(columns) - len(keys) :] != keys:
                raise QueryError(
                    "SYNTAX_ERROR",
                    "Partition keys must be the last columns in the table and in the same order as the table "
                    f"properties: [{', '.join(keys)}]",
                )
            hive = []
            for name, duck in columns:
                kind = values.hive_type(duck)
                if kind is None:
                    raise QueryError("NOT_SUPPORTED", f"Unsupported Hive type: {values.athena_type(duck)}")
                hive.append((name, kind))
            delimiter = properties.get("field_delimiter", "\x01")
            files, partitions = session.write(location, form, keys, delimiter, self.writers)
        plain = [column for column in hive if column[0] not in keys]
        library, parameters = _serde_of(form, delimiter)
        created = self.host.create_table(
            database,
            table_input(
                table,
                plain,
                location,
                library,
                parameters,
                [column for column in hive if column[0] in keys],
                {
                    "EXTERNAL": "TRUE",
                    "auto.purge": "false",
                    "has_encrypted_data": "false",
                    "numFiles": "-1",
                    "totalSize": "-1",
                    "transactional": "false",
                    "trino_query_id": execution.query_id,
                },
            ),
        )
        if not created:
            raise QueryError(
                "TABLE_ALREADY_EXISTS",
                f"line 1:1: Destination table 'awsdatacatalog.{database}.{table}' already exists",
            )
        for partition in partitions:
            self.host.create_partition(database, table, partition, location + partition_folder(keys, partition))
        self._manifest(execution, files)
        return Outcome(columns=[("rows", "BIGINT")], update_count=count, manifest=files)

    def unload(self, statement, execution):
        location = statement.location.rstrip("/") + "/"
        form = statement.properties.get("format", "").upper()
        self.access.must_be_empty(location, "Target directory already exists", execution)
        with Session(self.access, statement.query, execution) as session:
            _, count = session.materialise(translate.without_order(statement.query))
            files, _ = session.write(
                location, form or "PARQUET", [], statement.properties.get("field_delimiter", ","), self.writers
            )
        self._manifest(execution, files)
        return Outcome(columns=[("rows", "BIGINT")], update_count=count, manifest=files)

    def insert(self, statement, execution):
        table = self.access.wanted(statement.database, statement.table)
        if table.get("PartitionKeys"):
            raise NotHere("INSERT INTO a partitioned table")
        source = serde.Source(table, [], "")
        with Session(self.access, statement.query, execution) as session:
            _, count = session.materialise(translate.without_order(statement.query), source.types)
            form = "PARQUET" if source.library == serde.PARQUET else "TEXTFILE"
            delimiter = source.parameters.get("field.delim", "\x01")
            files, _ = session.write(
                table["StorageDescriptor"]["Location"].rstrip("/") + "/", form, [], delimiter, self.writers
            )
        self._manifest(execution, files)
        return Outcome(columns=[("rows", "BIGINT")], update_count=count, manifest=files)

    def _manifest(self, execution, files):
        bucket, prefix = split(execution.base)
        folder = "tables/" if execution.kind == "CTAS" else ""
        key = f"{prefix}{folder}{execution.query_id}-manifest.csv"
        self.access.check_s3(execution, "s3:PutObject", bucket, key)
        self.host.put(bucket, key, "".join(f"{file}\n" for file in files).encode(), "application/octet-stream")
        execution.manifest_location = f"s3://{bucket}/{key}"


def _serde_of(form, delimiter):
    if form == "PARQUET":
        return serde.PARQUET, {"serialization.format": "1"}
    if form == "JSON":
        return serde.JSON[1], {"serialization.format": "1"}
    return serde.LAZY_SIMPLE, {"field.delim": delimiter, "serialization.format": delimiter}

"""Statements that define: databases, tables, views, partitions."""

import base64
import json
import time

from . import values
from .access import partition_folder, split, table_input
from .errors import QueryError
from .session import Outcome, Session

_FAILED = "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask."


class Definitions:
    """A method per statement: `(statement, execution)` to an `Outcome`."""

    def __init__(self, access):
        self.access, self.host = access, access.host

    def create_database(self, statement, execution):
        self.access.check(execution, "glue:CreateDatabase", statement.database)
        if self.host.get_database(statement.database) is not None or not self.host.create_database(statement.database):
            if not statement.if_exists:
                raise QueryError(
                    "",
                    f"{_FAILED} Database {statement.database} already exists",
                )
        return Outcome()

    def drop_database(self, statement, execution):
        self.access.check(execution, "glue:DeleteDatabase", statement.database)
        if self.host.get_database(statement.database) is None:
            if statement.if_exists:
                return Outcome()
            raise QueryError(
                "", f"FAILED: SemanticException [Error 10072]: Database does not exist: {statement.database}"
            )
        if self.host.get_tables(statement.database) and not statement.properties["cascade"]:
            raise QueryError(
                "",
                f"{_FAILED} InvalidOperationException(message:Database {statement.database} is not empty. "
                "One or more tables exist.)",
            )
        self.host.delete_database(statement.database)
        return Outcome()

    def create_table(self, statement, execution):
        database, table = statement.database, statement.table
        self.access.check(execution, "glue:CreateTable", database, table)
        if self.host.get_database(database) is None:
            raise QueryError("", f"FAILED: SemanticException [Error 10072]: Database does not exist: {database}")
        made = table_input(
            table,
            statement.columns,
            statement.location,
            statement.library,
            statement.serde_parameters,
            statement.keys,
            {"EXTERNAL": "TRUE", "transient_lastDdlTime": str(int(time.time())), **statement.properties},
        )
        if not self.host.create_table(database, made) and not statement.if_exists:
            raise QueryError(
                "",
                f"{_FAILED} AlreadyExistsException(message:Table {table} already exists.)",
            )
        return Outcome()

    def drop_table(self, statement, execution):
        self.access.check(execution, "glue:DeleteTable", statement.database, statement.table)
        if not self.host.delete_table(statement.database, statement.table) and not statement.if_exists:
            raise QueryError(
                "", f"FAILED: SemanticException [Error 10001]: Table not found {statement.database}.{statement.table}"
            )
        return Outcome()

    drop_view = drop_table

    def create_view(self, statement, execution):
        database, name = statement.database, statement.table
        self.access.check(execution, "glue:CreateTable", database, name)
        with Session(self.access, statement.query, execution) as session:
            columns, _ = session.materialise(statement.query, limit=0)
        definition = {
            "originalSql": statement.text,
            "catalog": "awsdatacatalog",
            "schema": execution.database,
            "columns": [{"name": column, "type": values.athena_type(duck)} for column, duck in columns],
        }
        made = table_input(
            name,
            [(column, values.hive_type(duck) or "string") for column, duck in columns],
            "",
            "",
            {},
            [],
            {"presto_view": "true", "comment": "Presto View"},
        )
        made.update(
            TableType="VIRTUAL_VIEW",
            ViewOriginalText="/* Presto View: " + base64.b64encode(json.dumps(definition).encode()).decode() + " */",
            ViewExpandedText="/* Presto View */",
        )
        if self.host.create_table(database, made):
            return Outcome()
        if not statement.if_exists or self.access.table(database, name)["TableType"] != "VIRTUAL_VIEW":
            raise QueryError(
                "TABLE_ALREADY_EXISTS", f"line 1:1: View already exists: 'awsdatacatalog.{database}.{name}'"
            )
        self.host.update_table(database, made)
        return Outcome()

    def set_location(self, statement, execution):
        self.access.check(execution, "glue:UpdateTable", statement.database, statement.table)
        table = self.access.wanted(statement.database, statement.table)
        storage = {**table["StorageDescriptor"], "Location": statement.location}
        self.host.update_table(
            statement.database,
            {
                "Name": statement.table,
                "StorageDescriptor": storage,
                "PartitionKeys": table.get("PartitionKeys") or [],
                "TableType": table["TableType"],
                "Parameters": table.get("Parameters") or {},
            },
        )
        return Outcome()

    def add_partition(self, statement, execution):
        self.access.check(execution, "glue:CreatePartition", statement.database, statement.table)
        table = self.access.wanted(statement.database, statement.table)
        keys = [key["Name"].lower() for key in table.get("PartitionKeys") or []]
        wanted = [statement.partition[key] for key in keys]
        location = statement.location or table["StorageDescriptor"]["Location"].rstrip("/") + "/" + partition_folder(
            keys, wanted
        )
        if (
            not self.host.create_partition(statement.database, statement.table, wanted, location)
            and not statement.if_exists
        ):
            raise QueryError("", "FAILED: Execution Error: Partition already exists.")
        return Outcome()

    def drop_partition(self, statement, execution):
        self.access.check(execution, "glue:DeletePartition", statement.database, statement.table)
        table = self.access.wanted(statement.database, statement.table)
        keys = [key["Name"].lower() for key in table.get("PartitionKeys") or []]
        self.host.delete_partition(statement.database, statement.table, [statement.partition[key] for key in keys])
        return Outcome()

    def msck_repair(self, statement, execution):
        table = self.access.wanted(statement.database, statement.table)
        keys = [key["Name"].lower() for key in table.get("PartitionKeys") or []]
        location = table["StorageDescriptor"]["Location"].rstrip("/") + "/"
        bucket, prefix = split(location)
        added = []
        for key, _ in self.host.list(bucket, prefix):
            parts = dict(part.split("=", 1) for part in key[len(prefix) :].split("/")[:-1] if "=" in part)
            wanted = [parts.get(name) for name in keys]
            if None not in wanted and self.host.create_partition(
                statement.database, statement.table, wanted, location + partition_folder(keys, wanted)
            ):
                added.append(wanted)
        return Outcome()

    def show(self, statement, execution):
        if statement.text == "TABLES":
            names = [table["Name"] for table in self.host.get_tables(statement.database)]
            return Outcome(columns=[("tab_name", "VARCHAR")], rows=[[name] for name in sorted(names)])
        return Outcome(
            columns=[("database_name", "VARCHAR")], rows=[[name] for name in sorted(self.host.get_databases())]
        )

    def describe(self, statement, execution):
        table = self.access.wanted(statement.database, statement.table)
        columns = table["StorageDescriptor"]["Columns"] + (table.get("PartitionKeys") or [])
        return Outcome(
            columns=[("col_name", "VARCHAR"), ("data_type", "VARCHAR")],
            rows=[[column["Name"], column["Type"]] for column in columns],
        )

"""A DuckDB with the tables that one query reads, and nothing else in reach."""

import base64
import gzip
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass, field

import duckdb

from . import serde, translate, values
from .access import partition_folder, split
from .errors import NotHere, QueryError
from .serde import literal, quoted
from .wording import query_error


@dataclass
class Outcome:
    """What a statement has to show. `rows` are texts; `manifest` the files it wrote."""

    columns: list = field(default_factory=list)  # (name, DuckDB type)
    rows: list = field(default_factory=list)
    update_count: int | None = None
    manifest: list = field(default_factory=list)


class Session:
    """A DuckDB with the tables that one query reads, and nothing else in reach."""

    def __init__(self, access, query, execution):
        self.access, self.execution = access, execution
        self.folder = tempfile.mkdtemp(prefix="athena-")
        self.connection = duckdb.connect(":memory:", config={"threads": 2})
        self.schema = {}
        try:
            for setting in ("ieee_floating_point_ops = true", "preserve_insertion_order = true"):
                self._set(setting)
            for macro in translate.MACROS:
                self.connection.execute(macro)
            self._load(query, execution.database, depth=0)
            self._set(f"allowed_directories = [{literal(self.folder + '/')}]")
            self._set("enable_external_access = false")
            self._set("lock_configuration = true")
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _set(self, setting):
        self.connection.execute(f"SET {setting}")

    def _load(self, query, database, depth):
        if depth > 8:
            raise NotHere("views this deep")
        hidden = "$path" in query.sql("trino")
        for named, name in sorted(translate.tables(query)):
            schema = named or database
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            if name in self.schema.setdefault(schema, {}):
                continue
            self.access.check(self.execution, "glue:GetTable", schema, name)
            table = self.access.table(schema, name)
            if table is None:
                raise QueryError("TABLE_NOT_FOUND", f"line 1:15: Table 'awsdatacatalog.{schema}.{name}' does not exist")
            if table.get("TableType") == "VIRTUAL_VIEW":
                self._load_view(table, schema, name, depth)
                continue
            source = serde.Source(table, self._objects(table, schema, name), self.folder)
            os.makedirs(self.folder, exist_ok=True)
            source.folder = tempfile.mkdtemp(dir=self.folder)
            try:
                source.load(self.connection, quoted(schema), name, hidden)
            except duckdb.Error as error:
                raise query_error(error) from error
            self.schema[schema][name] = dict(source.types) | ({"$path": "VARCHAR"} if hidden else {})

    def _load_view(self, table, schema, name, depth):
        encoded = re.search(r"Presto View: (\S+) \*/", table["ViewOriginalText"]).group(1)
        definition = json.loads(base64.b64decode(encoded))
        query = translate.parse(definition["originalSql"])
        self._load(query, definition["schema"], depth + 1)
        text = translate.to_duckdb(query, self.schema, definition["schema"])
        self.connection.execute(f"CREATE VIEW {quoted(schema)}.{quoted(name)} AS {text}")
        described = self.connection.execute(f"DESCRIBE {quoted(schema)}.{quoted(name)}").fetchall()
        self.schema[schema][name] = {row[0].lower(): row[1] for row in described}

    def _objects(self, table, schema, name):
        """All objects below each location, hidden ones left out: [(partition values, [(s3 url, bytes)])]."""
        host, execution = self.access.host, self.execution
        if table.get("PartitionKeys"):
            if (table.get("Parameters") or {}).get("projection.enabled") == "true":
                raise NotHere("partition projection")
            self.access.check(execution, "glue:GetPartitions", schema, name)
            places = [
                (part["Values"], part["StorageDescriptor"]["Location"]) for part in host.get_partitions(schema, name)
            ]
        else:
            places = [([], table["StorageDescriptor"]["Location"])]
        found = []
        for partition, location in places:
            bucket, prefix = split(location.rstrip("/") + "/")
            self.access.check_s3(execution, "s3:ListBucket", bucket)
            objects = []
            for key, size in host.list(bucket, prefix):
                if key.endswith("/") or any(part.startswith(("_", ".")) for part in key[len(prefix) :].split("/")):
                    continue
                self.access.check_s3(execution, "s3:GetObject", bucket, key)
                execution.scanned += size
                if execution.cutoff and execution.scanned > execution.cutoff:
                    execution.scanned = execution.cutoff
                    raise QueryError("", "Bytes scanned limit was exceeded", state="CANCELLED")
                objects.append((f"s3://{bucket}/{key}", host.get(bucket, key)))
            found.append((partition, objects))
        return found

    # Running

    def translated(self, query):
        return translate.to_duckdb(query, self.schema, self.execution.database)

    def _run(self, text):
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.execution.database)}")
        self.connection.execute(f"USE {quoted(self.execution.database)}")
        try:
            return self.connection.execute(text)
        except duckdb.Error as error:
            raise query_error(error) from error

    def fetch(self, text):
        """All rows as texts."""
        self._interruptible()
        result = self._run(text)
        types = [str(item[1]) for item in result.description]
        names = _output_names([item[0] for item in result.description])
        try:
            rows = [[values.text(value, kind) for value, kind in zip(row, types)] for row in result.fetchall()]
        except duckdb.Error as error:
            raise query_error(error) from error
        return Outcome(columns=list(zip(names, types)), rows=rows, update_count=0)

    def materialise(self, query, types=None, limit=None):
        """Computes the query into a table of this session; returns its columns and the number of rows."""
        self._interruptible()
        text = self.translated(query)
        described = self._run(f"DESCRIBE {text}").fetchall()
        names = [row[0].lower() for row in described]
        for position, selected in enumerate(query.selects if types is None else []):
            if not selected.is_star and not selected.output_name:
                raise QueryError("SYNTAX_ERROR", f"line 1:1: Column name not specified at position {position + 1}")
        if len(set(names)) != len(names):
            raise QueryError("DUPLICATE_COLUMN_NAME", "line 1:1: Column name specified more than once")
        wanted = list(types.values()) if types else [("BIGINT" if row[1] == "HUGEINT" else row[1]) for row in described]
        labels = list(types) if types else names
        if len(labels) != len(names):
            raise QueryError("TYPE_MISMATCH", "line 1:1: Insert query has mismatched column types")
        projection = ", ".join(
            f"CAST(c{i} AS {kind}) AS {quoted(name)}" for i, (name, kind) in enumerate(zip(labels, wanted))
        )
        aliases = ", ".join(f"c{i}" for i in range(len(labels)))
        self._run(
            f"CREATE TABLE main.__result AS SELECT {projection} FROM ({text}) AS source({aliases})"
            + ("" if limit is None else f" LIMIT {limit}")
        )
        count = self._run("SELECT count(*) FROM main.__result").fetchone()[0]
        self.columns = list(zip(labels, wanted))
        return self.columns, count

    def write(self, location, form, keys, delimiter, writers):
        """Writes what `materialise` computed; returns the files and the partitions."""
        host, execution = self.access.host, self.execution
        if form not in ("PARQUET", "TEXTFILE", "JSON"):
            raise NotHere(f"the format {form}")
        if execution.fault("fail_before_write"):
            raise execution.fault_error()
        bucket, prefix = split(location)
        plain = ", ".join(quoted(name) for name, _ in self.columns if name not in keys)
        if keys:
            listed = ", ".join(quoted(key) for key in keys)
            partitions = [
                list(row) for row in self._run(f"SELECT DISTINCT {listed} FROM main.__result ORDER BY ALL").fetchall()
            ]
            if len(partitions) > 100:
                raise QueryError(
                    "HIVE_TOO_MANY_OPEN_PARTITIONS", "Exceeded limit of 100 open writers for partitions/buckets"
                )
        else:
            partitions = [None]
        files = []
        for partition in partitions:
            where, folder = "true", ""
            if partition is not None:
                where = " AND ".join(
                    f"{quoted(key)} IS NOT DISTINCT FROM {_value(value)}" for key, value in zip(keys, partition)
                )
                folder = partition_folder(keys, [values.text(value) for value in partition])
            total = self._run(f"SELECT count(*) FROM main.__result WHERE {where}").fetchone()[0]
            for writer in range(min(writers, total)):
                rows = (
                    f"SELECT {plain} FROM (SELECT *, row_number() OVER () AS __n FROM main.__result WHERE {where}) "
                    f"WHERE __n % {min(writers, total)} = {writer} ORDER BY __n"
                )
                name = f"{time.strftime('%Y%m%d_%H%M%S')}_{writer:05d}_{uuid.uuid4().hex[:5]}_{uuid.uuid4()}"
                path, name = self._file(rows, form, delimiter, name)
                key = prefix + folder + name
                self.access.check_s3(execution, "s3:PutObject", bucket, key)
                with open(path, "rb") as file:
                    host.put(bucket, key, file.read(), "application/octet-stream")
                files.append(f"s3://{bucket}/{key}")
                if execution.fault("fail_after_write"):
                    raise execution.fault_error()
                execution.stop_if_cancelled()
        return files, [[values.text(value) for value in partition] for partition in partitions if partition is not None]

    def _file(self, rows, form, delimiter, name):
        path = os.path.join(self.folder, "out-" + uuid.uuid4().hex)
        if form == "PARQUET":
            self._run(f"COPY ({rows}) TO {literal(path)} (FORMAT parquet, COMPRESSION gzip)")
            return path, name
        result = self._run(rows)
        types = [str(item[1]) for item in result.description]
        texts = [[values.text(value, kind) for value, kind in zip(row, types)] for row in result.fetchall()]
        if form == "JSON":
            names = [item[0] for item in result.description]
            with gzip.open(path, "wt", encoding="utf-8") as file:
                for row in texts:
                    file.write(json.dumps(dict(zip(names, row)), ensure_ascii=False) + "\n")
        else:
            serde.write_text(texts, path, delimiter)
        return path, name + ".gz"

    def _interruptible(self):
        self.execution.interrupt = self.connection.interrupt
        self.execution.stop_if_cancelled()


def _output_names(names):
    """An expression without a name is `_col` and its position."""
    return [
        re.sub(r"^_col_(?=[0-9]+$)", "_col", name)
        if re.match(r"^[A-Za-z_]", name) and not re.search(r"[()*+/ ]", name)
        else f"_col{position}"
        for position, name in enumerate(names)
    ]


def _value(value):
    return "NULL" if value is None else literal(values.text(value))

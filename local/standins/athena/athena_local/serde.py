"""Reads the objects of a table as Athena's SerDes do, errors and oddities included.

What OpenCSVSerde and LazySimpleSerDe do is known from the engine's published source and AWS's manual: a record is a
line, so a line break within quotes tears it; OpenCSVSerde drops the escape character; LazySimpleSerDe knows no quotes,
cuts `4.5` down to 4 in an int column, and makes NULL of anything it cannot read.
"""

import bz2
import gzip
import os
import re

import duckdb

from .errors import NotHere, QueryError
from .values import duck_type

OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
JSON = ("org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe")
_INTEGERS = {"TINYINT": 2**7, "SMALLINT": 2**15, "INTEGER": 2**31, "BIGINT": 2**63}


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


class Source:
    """A table's files, laid out in a folder of their own.

    `partitions` are (values, objects); objects are (key, bytes).
    """

    def __init__(self, table, partitions, folder):
        self.table, self.folder = table, folder
        storage = table["StorageDescriptor"]
        self.columns = [(column["Name"].lower(), column["Type"]) for column in storage.get("Columns") or []]
        self.keys = [(key["Name"].lower(), key["Type"]) for key in table.get("PartitionKeys") or []]
        info = storage.get("SerdeInfo") or {}
        self.library, self.parameters = info.get("SerializationLibrary") or LAZY_SIMPLE, info.get("Parameters") or {}
        self.partitions = partitions
        self.types = {}
        for name, hive in self.columns + self.keys:
            self.types[name] = duck_type(hive)
            if self.types[name] is None:
                raise NotHere(f"the column type {hive}")

    def load(self, connection, schema, name, with_path):
        """Makes the DuckDB table `schema.name`."""
        parts = []
        for number, (values, objects) in enumerate(self.partitions):
            for part, (key, body) in enumerate(objects):
                query = self._file(connection, os.path.join(self.folder, f"{number}-{part}"), key, body)
                if query is None:
                    continue
                extra = [
                    f"CAST({'NULL' if value is None else literal(value)} AS {self.types[column]}) AS {quoted(column)}"
                    for (column, _), value in zip(self.keys, values)
                ]
                if with_path:
                    extra.append(f'{literal(key)} AS "$path"')
                parts.append(f"SELECT {', '.join(['*', *extra])} FROM ({query})")
        columns = [f"{quoted(column)} {self.types[column]}" for column, _ in self.columns + self.keys]
        if with_path:
            columns.append('"$path" VARCHAR')
        connection.execute(f"CREATE TABLE {schema}.{quoted(name)} ({', '.join(columns)})")
        for part in parts:
            connection.execute(f"INSERT INTO {schema}.{quoted(name)} {part}")

    def _file(self, connection, path, key, body):
        if not body:
            return None
        if self.library == PARQUET:
            return self._parquet(connection, path, key, body)
        if self.library in JSON:
            return self._json(path, key, body)
        if self.library == OPEN_CSV:
            return self._text(path, key, body, self._open_csv(), self._open_csv_value)
        if self.library == LAZY_SIMPLE:
            return self._text(path, key, body, self._lazy_simple(), self._lazy_simple_value)
        raise NotHere(f"the SerDe {self.library}")

    # Text

    def _text(self, path, key, body, split, convert):
        skip = int((self.table.get("Parameters") or {}).get("skip.header.line.count") or 0)
        lines = _lines(_unpacked(key, body))[skip:]
        if not lines:
            return None
        width = len(self.columns)
        with open(path, "w", encoding="utf-8", newline="") as file:
            for line in lines:
                fields = split(line)[:width]
                fields += [None] * (width - len(fields))
                file.write(
                    ",".join("" if field is None else '"' + field.replace('"', '""') + '"' for field in fields) + "\n"
                )
        raw = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
        converted = ", ".join(
            f"{convert(f'c{i}', i, self.types[name])} AS {quoted(name)}" for i, (name, _) in enumerate(self.columns)
        )
        return (
            f"SELECT {converted} FROM read_csv({literal(path)}, auto_detect = false, header = false, delim = ',', "
            f"quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, null_padding = false, "
            f"new_line = '\\n', max_line_size = 16777216, columns = {{{raw}}})"
        )

    def _open_csv(self):
        separator = self.parameters.get("separatorChar", ",")
        quote = self.parameters.get("quoteChar", '"')
        escape = self.parameters.get("escapeChar", "\\")

        def split(line):
            if quote not in line and escape not in line:
                return line.split(separator) if line else []
            return _open_csv_fields(line, separator, quote, escape)

        return split

    def _open_csv_value(self, column, index, duck):
        """Strings as they are; anything else must be readable, and the empty text is not."""
        if duck == "VARCHAR":
            return column
        bad = (
            f"error('HIVE_BAD_DATA: Error parsing field value ''' || coalesce({column}, '') || ''' for field {index}: "
            f"For input string: \"' || coalesce({column}, '') || '\"')"
        )
        if duck in _INTEGERS:
            good, value = f"regexp_full_match({column}, '[+-]?[0-9]+')", f"CAST({column} AS {duck})"
        elif duck in ("DOUBLE", "FLOAT", "BOOLEAN") or duck.startswith("DECIMAL"):
            good, value = f"TRY_CAST({column} AS {duck}) IS NOT NULL", f"CAST({column} AS {duck})"
        elif duck == "DATE":
            good, value = f"regexp_full_match({column}, '-?[0-9]+')", f"DATE '1970-01-01' + CAST({column} AS INTEGER)"
        elif duck == "TIMESTAMP":
            good, value = f"regexp_full_match({column}, '-?[0-9]+')", f"make_timestamp(CAST({column} AS BIGINT) * 1000)"
        else:
            raise NotHere(f"a column of type {duck} with OpenCSVSerde")
        return f"CASE WHEN {column} IS NULL THEN NULL WHEN {good} THEN {value} ELSE {bad} END"

    def _lazy_simple(self):
        delimiter = self.parameters.get("field.delim") or self.parameters.get("serialization.format", "\x01")
        delimiter = "\x01" if delimiter == "1" else delimiter
        null = self.parameters.get("serialization.null.format", "\\N")
        return lambda line: [None if field == null else field for field in line.split(delimiter)]

    def _lazy_simple_value(self, column, _index, duck):
        if duck == "VARCHAR":
            return column
        if duck in _INTEGERS:
            whole = f"regexp_extract({column}, '^([+-]?[0-9]+)(\\.[0-9]*)?$', 1)"
            return f"TRY_CAST(NULLIF({whole}, '') AS {duck})"
        return f"TRY_CAST(NULLIF({column}, '') AS {duck})"

    # Formats that DuckDB reads itself

    def _parquet(self, connection, path, key, body):
        with open(path, "wb") as file:
            file.write(body)
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(path)})").fetchall()
            there = {row[0].lower(): (row[0], row[1]) for row in described}
        except duckdb.Error as error:
            raise QueryError("HIVE_BAD_DATA", f"Not valid Parquet file: {key}") from error
        chosen = ", ".join(
            f"{self._parquet_value(key, *there[name], name) if name in there else 'NULL'} AS {quoted(name)}"
            for name, _ in self.columns
        )
        return f"SELECT {chosen} FROM read_parquet({literal(path)})"

    def _parquet_value(self, key, stored, found, name):
        """A column of the file; another type than the table's is not read."""
        wanted = self.types[name]
        if found == "TIMESTAMP WITH TIME ZONE" and wanted == "TIMESTAMP":
            return _milliseconds(f"{quoted(stored)} AT TIME ZONE 'UTC'")
        same = {"TINYINT": "INTEGER", "SMALLINT": "INTEGER", "TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP"}
        if wanted not in (found, same.get(found)):
            raise QueryError(
                "HIVE_BAD_DATA",
                f"Field {name}'s type {found} in parquet file {key} is incompatible with type {wanted.lower()} defined "
                "in table schema",
            )
        value = f"CAST({quoted(stored)} AS {wanted})"
        return _milliseconds(value) if wanted == "TIMESTAMP" else value

    def _json(self, path, key, body):
        with open(path, "wb") as file:
            file.write(_unpacked(key, body))
        columns = ", ".join(f"{literal(name)}: {literal(self.types[name])}" for name, _ in self.columns)
        return f"SELECT * FROM read_json({literal(path)}, format = 'newline_delimited', columns = {{{columns}}})"


def _milliseconds(time):
    """A time of a table has three places: finer ones the engine rounds, halves up, and says nothing."""
    return f"date_trunc('millisecond', {time} + INTERVAL 500 MICROSECOND)"


def _unpacked(key, body):
    """Compression is told by the name, as Hadoop does."""
    if key.endswith(".gz"):
        return gzip.decompress(body)
    if key.endswith(".bz2"):
        return bz2.decompress(body)
    return body


def _lines(body):
    """Records end with LF, CR LF or CR; quotes do not matter."""
    lines = re.split("\r\n|\n|\r", body.decode("utf-8", errors="replace"))
    if lines and lines[-1] == "":
        lines.pop()
    return lines


def _open_csv_fields(line, separator, quote, escape):
    """One line as OpenCSVSerde sees it. A last field whose quotes never end is left out: it becomes NULL."""
    fields, text, in_quotes, in_field, at = [], [], False, False, 0
    while at < len(line):
        char, after = line[at], line[at + 1 : at + 2]
        if char == escape:
            # Escapes a quote or itself inside a field; in any other place it is dropped.
            if (in_quotes or in_field) and after and after in (quote, escape):
                text.append(after)
                at += 1
        elif char == quote:
            if (in_quotes or in_field) and after == quote:
                text.append(quote)
                at += 1
            else:
                # A quote in the middle of a field that no separator touches stays in the value, yet opens or closes.
                if at > 2 and line[at - 1] != separator and after and after != separator:
                    if text and not "".join(text).strip():
                        text.clear()
                    else:
                        text.append(char)
                in_quotes = not in_quotes
            in_field = not in_field
        elif char == separator and not in_quotes:
            fields.append("".join(text))
            text.clear()
            in_field = False
        else:
            text.append(char)
            in_field = True
        at += 1
    if not in_quotes:
        fields.append("".join(text))
    return fields


def _first_line(error):
    return str(error).strip().split("\n")[0]


def write_text(rows, path, delimiter, null="\\N"):
    """A gzip file as CTAS with TEXTFILE writes it: no header, no quotes."""
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        for row in rows:
            file.write(delimiter.join(null if value is None else value for value in row) + "\n")

"""COPY at work: reads the objects with the rights of the role that the statement names, and feeds PostgreSQL."""

import bz2
import csv
import gzip
import io
import json

import zstandard
from botocore.exceptions import ClientError
from psycopg import sql

from .errors import Refused
from .values import LoadError, converter

csv.field_size_limit(64 << 20)

COLUMNS = """
SELECT a.attname, format_type(a.atttypid, NULL), a.atttypmod, a.attnotnull FROM pg_attribute a
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

TEXTS = ("character varying", "character")


class Column:
    """A column of the target; `size` is in bytes for text, and the precision of a number."""

    def __init__(self, name, kind, modifier, required):
        self.name, self.kind, self.required, self.size, self.scale = name, kind, required, None, None
        if kind in TEXTS:
            self.size = modifier - 4 if modifier > 0 else 65_535
        if kind == "numeric":
            self.size, self.scale = ((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF


class Loader:
    """One COPY. `errors` are the rows that were refused: file, line, column, type, value, reason."""

    def __init__(self, copy, s3, connection):
        self._copy, self._s3, self._connection, self.errors = copy, s3, connection, []

    def run(self):
        """Loads the rows; returns how many."""
        columns, missing = self._columns()
        converters = [converter(c.kind, c.size, c.scale, self._copy.options) for c in columns]
        target = sql.SQL(".").join(sql.Identifier(part) for part in self._copy.target.split("."))
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
        loaded = 0
        with self._connection.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(target, names)) as out:
            for key, line, fields in self._rows():
                try:
                    if missing:
                        raise LoadError("Missing data for not-null field", missing[0].name, missing[0].kind)
                    out.write_row(self._row(fields, columns, converters))
                    loaded += 1
                except LoadError as error:
                    self._refuse(key, line, error)
        return loaded

    def _columns(self):
        """The columns that the files fill, in their order, and the ones that must be filled and are not."""
        name = ".".join('"' + part + '"' for part in self._copy.target.split("."))
        table = [Column(*row) for row in self._connection.execute(COLUMNS, [name]).fetchall()]
        if self._copy.columns is None:
            return table, []
        by_name = {column.name: column for column in table}
        for column in self._copy.columns:
            if column not in by_name:
                raise Refused(f'ERROR: column "{column}" of relation "{self._copy.target.split(".")[-1]}" does not exist')
        filled = [by_name[column] for column in self._copy.columns]
        return filled, [column for column in table if column.required and column not in filled]

    def _row(self, fields, columns, converters):
        options = self._copy.options
        if len(fields) > len(columns):
            raise LoadError("Extra column(s) found")
        if len(fields) < len(columns) and not options.get("FILLRECORD"):
            raise LoadError("Delimiter not found")
        row = []
        for column, convert, text in zip(columns, converters, [*fields, *[""] * (len(columns) - len(fields))]):
            try:
                value = self._value(column, convert, text)
                if value is None and column.required:
                    raise LoadError("Missing data for not-null field")
            except LoadError as error:
                error.column, error.kind, error.value = column.name, column.kind, text[:1024]
                raise
            row.append(value)
        return row

    def _value(self, column, convert, text):
        options = self._copy.options
        # A marker in quotation marks is NULL too: no document says otherwise, and it is the worse way.
        null = options.get("NULL", "\\N")
        if text == ("\0" if null in ("\\0", "\\000") else null):
            return None
        if column.kind in TEXTS:
            if (text == "" and options.get("EMPTYASNULL")) or (text.strip() == "" and options.get("BLANKSASNULL")):
                return None
            if options.get("TRIMBLANKS") and column.kind == "character varying":
                text = text.rstrip(" ")
        value = convert(text)
        if value is not None and "\0" in value:
            raise LoadError("STAND-IN: NUL byte, which Redshift keeps and PostgreSQL cannot")
        return value

    def _refuse(self, key, line, error):
        self.errors.append((key, line, error.column, error.kind, error.value, str(error)))
        if len(self.errors) >= max(self._copy.options.get("MAXERROR", 0), 1):
            table = self._copy.target.split(".")[-1]
            raise Refused(f"ERROR: Load into table '{table}' failed.  Check 'sys_load_error_detail' system table for details.")

    def _objects(self):
        """Bucket and key of each object, by the prefix or by the manifest."""
        bucket, _, key = self._copy.source[5:].partition("/")
        try:
            if self._copy.options.get("MANIFEST"):
                return self._manifest(bucket, key)
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
            found = [(bucket, item["Key"]) for page in pages for item in page.get("Contents", [])]
            if not found:
                raise Refused(f"ERROR: The specified S3 prefix '{key}' does not exist")
            return found
        except ClientError as error:
            answer, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise Refused(f"ERROR: S3ServiceException:{answer.get('Message')},Status {status},Error {answer['Code']}") from None

    def _manifest(self, bucket, key):
        try:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            raise Refused("ERROR: Problem reading manifest file - S3ServiceException: The specified key does not exist., "
                          f"Key {key}") from None
        try:
            listed = [(entry["url"], bool(entry.get("mandatory", False)), (entry.get("meta") or {}).get("content_length"))
                      for entry in json.loads(body)["entries"]]
        except (ValueError, KeyError, TypeError):
            raise Refused("ERROR: Error processing manifest file: malformed JSON") from None
        found = []
        for url, mandatory, length in listed:
            part_bucket, _, part_key = url.removeprefix("s3://").partition("/")
            try:
                size = self._s3.head_object(Bucket=part_bucket, Key=part_key)["ContentLength"]
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
                if mandatory:
                    raise Refused(f"ERROR: Mandatory url is not present in manifest: {url}") from None
                continue
            if length is not None and length != size:
                raise Refused(f"ERROR: File size does not match manifest content_length: {url}")
            found.append((part_bucket, part_key))
        if not found and listed:
            raise Refused("ERROR: No files found for COPY")
        return found

    def _rows(self):
        """Key, line and fields of each row."""
        options = self._copy.options
        for bucket, key in self._objects():
            text = self._text(key, self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=options.get("DELIMITER", ","),
                                quotechar=options.get("QUOTE", '"'), doublequote=True, strict=True)
            to_skip = options.get("IGNOREHEADER", 0)
            try:
                for fields in reader:
                    if to_skip:
                        to_skip -= 1
                    elif fields or not options.get("IGNOREBLANKLINES"):
                        yield key, reader.line_num, fields or [""]
            except csv.Error as error:
                self._refuse(key, reader.line_num, LoadError(f"Invalid quote formatting for CSV ({error})"))

    def _text(self, key, raw):
        options = self._copy.options
        try:
            if options.get("GZIP"):
                raw = gzip.decompress(raw)
            elif options.get("BZIP2"):
                raw = bz2.decompress(raw)
            elif options.get("ZSTD"):
                raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True).read()
        except (OSError, EOFError, ValueError, zstandard.ZstdError) as error:
            raise Refused(f"ERROR: file {key} cannot be decompressed: {error}") from None
        if raw[:2] == b"\x1f\x8b" or raw[:4] == b"\x28\xb5\x2f\xfd":
            raise Refused(f"ERROR: String contains invalid or unsupported UTF8 codepoints. ({key} is compressed, COPY was not told)")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            if "ACCEPTINVCHARS" in options:
                return raw.decode("utf-8", "replace").replace("\ufffd", options["ACCEPTINVCHARS"])
            line = raw[:error.start].count(b"\n") + 1
            digits = raw[error.start:error.start + 1].hex()
            self._refuse(key, line, LoadError(f"String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: {digits}"))
            return raw.decode("utf-8", "replace")

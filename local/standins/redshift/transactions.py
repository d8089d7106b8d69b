"""One batch in PostgreSQL: what a statement locks and reads, what a transaction sees, when it commits.

One writer per table at a time, readers undisturbed. A transaction sees the tables as they were at its first statement that is not a
LOCK. With serializable isolation a writer that read a table which another has changed since ends with error 1023; with snapshot
isolation, the default of a serverless namespace, nothing stops it.
"""

import threading

import psycopg
from psycopg import pq, sql

from .errors import Refused
from .loading import Loader

# What Redshift has and PostgreSQL has not, made once per database. The parser has names of its own for some: `hex` is TO_HEX of bytes,
# `from_base` STRTOL.
CATALOGUE = """
CREATE TABLE IF NOT EXISTS public.sys_load_error_detail (start_time timestamp, file_name text, line_number bigint, column_name text,
  column_type text, raw_field_value text, error_message text);
CREATE OR REPLACE VIEW public.stl_load_errors AS SELECT start_time AS starttime, file_name AS filename, line_number,
  column_name AS colname, column_type AS type, raw_field_value, error_message AS err_reason FROM public.sys_load_error_detail;
CREATE OR REPLACE VIEW public.svv_columns AS
  SELECT table_schema, table_name, column_name, ordinal_position, column_default, is_nullable,
    CASE data_type WHEN 'jsonb' THEN 'super' WHEN 'bytea' THEN 'binary varying' ELSE data_type END AS data_type,
    character_maximum_length, numeric_precision, numeric_scale
  FROM information_schema.columns;
CREATE OR REPLACE FUNCTION public.len(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT length($1)';
CREATE OR REPLACE FUNCTION public.getdate() RETURNS timestamp LANGUAGE sql STABLE AS 'SELECT now()::timestamp(0)';
CREATE OR REPLACE FUNCTION public.hex(bytea) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT encode($1, 'hex') $$;
CREATE OR REPLACE FUNCTION public.from_base(text, int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE n numeric := 0; c text;
BEGIN
  FOREACH c IN ARRAY regexp_split_to_array(lower($1), '') LOOP
    n := n * $2 + position(c IN '0123456789abcdefghijklmnopqrstuvwxyz') - 1;
  END LOOP;
  RETURN n::bigint;
END $$;
"""

# Results of more than this many bytes are refused.
MAX_RESULT_BYTES = 100 << 20


class Database:
    """What the transactions of one database share: which version each table has."""

    def __init__(self, url):
        self.url, self.versions, self.commit_lock = url, {}, threading.Lock()
        with psycopg.connect(url, autocommit=True) as connection:
            # Several stand-ins may come at once.
            connection.execute("SELECT pg_advisory_lock(7101)")
            connection.execute(CATALOGUE)

    def record_load_errors(self, errors):
        """Load errors stay, although the transaction that had them is undone."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for error in errors[:1000]:
                without_nul = [field.replace("\0", "") if isinstance(field, str) else field for field in error]
                connection.execute("INSERT INTO public.sys_load_error_detail VALUES (clock_timestamp(), %s, %s, %s, %s, %s, %s)",
                                   without_nul)


class Transaction:
    """A connection's transactions, one after the other."""

    def __init__(self, database, connection, roles, isolation):
        self._database, self._connection, self._roles = database, connection, roles
        self._is_serializable = isolation == "serializable"
        self._begin()

    def _begin(self):
        self._snapshot, self._writes, self._reads = None, set(), set()

    def commit(self):
        with self._database.commit_lock:
            self._connection.commit()
            for table in self._writes:
                self._database.versions[table] = self._database.versions.get(table, 0) + 1
        self._begin()

    def run(self, statement):
        """Runs it; returns the number of rows, the columns (name, type) and the rows, the latter two None without a result."""
        if statement.commits:
            self.commit()
        if self._snapshot is None and not statement.takes_no_snapshot:
            self._take_snapshot()
        self._lock(statement)
        if statement.copy:
            return self._load(statement.copy), None, None
        cursor = None
        for command in statement.commands:
            cursor = self._connection.execute(command)
        if statement.commits:
            self.commit()
        if cursor is None:
            return 0, None, None
        if not cursor.description or cursor.pgresult.status != pq.ExecStatus.TUPLES_OK:
            return cursor.rowcount, None, None
        rows = cursor.fetchall()
        if sum(len(str(row)) for row in rows) > MAX_RESULT_BYTES:
            raise Refused("ERROR: Database response exceeded size limit")
        return len(rows), [(column.name, column.type_code) for column in cursor.description], rows

    def _take_snapshot(self):
        with self._database.commit_lock:
            self._connection.execute("SELECT 1 FROM pg_class LIMIT 1")
            self._snapshot = dict(self._database.versions)

    def _lock(self, statement):
        if statement.is_lock:
            return
        temporary = {row[0] for row in self._connection.execute("SELECT relname FROM pg_class WHERE relpersistence = 't'").fetchall()}
        self._reads |= statement.reads - temporary
        for table in sorted(statement.writes - temporary):
            if not statement.commits:
                name = sql.SQL(".").join(sql.Identifier(part) for part in table.split("."))
                self._connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name))
            seen = (self._snapshot or {}).get(table, 0)
            if self._is_serializable and table in self._reads and self._database.versions.get(table, 0) != seen:
                raise Refused(f"ERROR: 1023 DETAIL: Serializable isolation violation on table - {table}, transactions forming the cycle")
            self._writes.add(table)

    def _load(self, copy):
        loader = Loader(copy, self._roles.s3(copy.role), self._connection)
        try:
            return loader.run()
        finally:
            if loader.errors:
                self._database.record_load_errors(loader.errors)

"""SQL: what Redshift refuses, and what PostgreSQL is told instead."""

import re

import sqlglot
from sqlglot import exp

from . import tables
from .copy_command import Copy
from .errors import Refused, syntax_error

# Functions that PostgreSQL has and Redshift has not (its manual, "Unsupported PostgreSQL functions"), as far as anybody would write
# them here.
UNSUPPORTED_FUNCTIONS = {
    "string_agg", "array_agg", "every", "generate_series", "pg_sleep", "clock_timestamp", "format", "width_bucket", "div",
    "regexp_matches", "regexp_split_to_table", "overlay", "encode", "decode", "pg_advisory_lock", "pg_advisory_xact_lock",
    "pg_try_advisory_lock", "nextval", "setval", "currval", "unnest", "jsonb_build_object", "row_to_json", "gen_random_uuid",
}

# What Redshift's grammar has not, and near which word it says so.
UNSUPPORTED_SYNTAX = (
    (exp.OnConflict, "ON"), (exp.Returning, "RETURNING"), (exp.Lock, "FOR"), (exp.Filter, "("), (exp.NullSafeEQ, "DISTINCT"),
    (exp.NullSafeNEQ, "DISTINCT"), (exp.Array, "ARRAY"), (exp.Bracket, "["),
)

TRANSACTIONS = ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT")


class Statement:
    """One statement, ready to run: what to tell PostgreSQL, and which tables it writes and reads."""

    def __init__(self, text):
        self.text = text.strip().rstrip(";").strip()
        self.writes, self.reads, self.commands, self.copy = set(), set(), [], None
        # TRUNCATE ends the transaction; LOCK and the like take no snapshot.
        self.commits = self.takes_no_snapshot = self.is_lock = False
        word = (re.match(r"\w+", self.text) or [""])[0].upper()
        self._refuse(word)
        if word == "COPY":
            self.copy = Copy(self.text)
            self.writes = {self.copy.target}
        elif word == "LOCK":
            self._lock()
        elif word in ("ANALYZE", "SET", "GRANT", "REVOKE", "COMMENT"):
            self.takes_no_snapshot = word != "ANALYZE"
            self.commands = [] if word == "SET" else [self.text]
        elif re.search(r"(?is)^merge\s+into\b.*\bremove\s+duplicates$", self.text):
            self._merge_removing_duplicates()
        else:
            self._translate(word)

    def _refuse(self, word):
        if word in TRANSACTIONS:
            raise Refused(f"ERROR: {word} is not in this stand-in: a batch is a transaction of its own")
        if word == "VACUUM" or re.match(r"(?is)alter\s+table\s+\S+\s+append\b", self.text):
            name = "VACUUM" if word == "VACUUM" else "ALTER TABLE APPEND"
            raise Refused(f"ERROR: {name} cannot run inside a transaction block")
        if re.match(r"(?is)create\s+(unique\s+)?index", self.text):
            raise Refused('ERROR: SQL command "CREATE INDEX" not supported on Redshift tables.')
        if word == "UNLOAD":
            raise Refused("ERROR: UNLOAD is not in this stand-in")

    def _lock(self):
        names = re.sub(r"(?is)^lock\s+(table\s+)?", "", self.text)
        if not re.fullmatch(r'[\w".,\s-]+', names):
            raise syntax_error(names[:20])
        self.is_lock = self.takes_no_snapshot = True
        self.commands = [f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"]

    def _translate(self, word):
        try:
            parsed = sqlglot.parse(tables.without_options(self.text) if word == "CREATE" else self.text, read="redshift")
        except sqlglot.errors.SqlglotError as error:
            raise Refused("ERROR: syntax error: " + str(error).splitlines()[0]) from error
        if len(parsed) != 1 or parsed[0] is None:
            raise Refused("ERROR: cannot insert multiple commands into a prepared statement")
        tree = parsed[0]
        if isinstance(tree, exp.Command):
            raise syntax_error(word)
        if not isinstance(tree, exp.Create) or tree.expression is not None:
            refuse_unsupported(tree, self.text)
        if isinstance(tree, exp.Create) and str(tree.args.get("kind")).upper() == "TABLE":
            self.commands = [tables.create(tree, self.text)]
            return
        self.commands = [tree.sql(dialect="postgres")]
        if isinstance(tree, exp.TruncateTable):
            self.commits, self.writes = True, tables_of(tree)
        elif isinstance(tree, exp.Merge):
            self._merge(tree)
        elif isinstance(tree, (exp.Insert, exp.Delete, exp.Update)):
            target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
            self.writes = tables_of(target)
            self.reads = tables_of(tree) - self.writes
            if not isinstance(tree, exp.Insert):
                self.reads |= self.writes
            elif tree.expression is not None and not isinstance(tree.expression, exp.Values):
                self.reads |= tables_of(tree.expression)
        elif isinstance(tree, exp.Query):
            self.reads = tables_of(tree)

    def _merge(self, tree):
        if not isinstance(tree.args["using"], exp.Table):
            raise Refused("ERROR: MERGE source must be a table")
        whens = tree.args["whens"].expressions
        if sorted(bool(when.args.get("matched")) for when in whens) != [False, True] or any(w.args.get("condition") for w in whens):
            raise syntax_error("MERGE")
        self.writes, self.reads = tables_of(tree.this), tables_of(tree)

    def _merge_removing_duplicates(self):
        found = re.match(r"(?is)merge\s+into\s+(\S+)\s+using\s+(\S+)\s+on\s+(.*?)\s+remove\s+duplicates$", self.text)
        if not found:
            raise syntax_error("REMOVE")
        target, source, condition = found.groups()
        self.writes, self.reads = {target.lower()}, {target.lower(), source.lower()}
        self.commands = [f"DELETE FROM {target} USING {source} WHERE {condition}",
                         f"INSERT INTO {target} SELECT DISTINCT * FROM {source}"]


def refuse_unsupported(tree, text):
    """What parses, and is not Redshift's."""
    for kind, word in UNSUPPORTED_SYNTAX:
        if tree.find(kind):
            raise syntax_error(word)
    if any(distinct.args.get("on") for distinct in tree.find_all(exp.Distinct)):
        raise syntax_error("ON")
    if any(not isinstance(values.parent, exp.Insert) for values in tree.find_all(exp.Values)):
        raise syntax_error("VALUES")
    # By the text: the parser takes some of them for functions that Redshift has.
    for name in re.findall(r"\b([a-z_]+)\s*\(", re.sub("'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "''", text.lower())):
        if name in UNSUPPORTED_FUNCTIONS:
            raise Refused(f"ERROR: function {name}() does not exist or is not supported")
    for cast in tree.find_all(exp.Cast):
        tables.column_type(cast.to)
    if isinstance(tree, exp.Delete) and isinstance(tree.this, exp.Table) and tree.this.alias:
        raise syntax_error(tree.this.alias)


def tables_of(tree):
    """The tables that are named, `schema.table` or `table`, in lower case as Redshift keeps names."""
    return {".".join(p for p in (t.db.lower(), t.name.lower()) if p) for t in tree.find_all(exp.Table) if t.name}

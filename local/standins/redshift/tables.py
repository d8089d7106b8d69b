"""CREATE TABLE and the types of columns. Keys are declared and not enforced, NOT NULL is; lengths are bytes."""

import re

from sqlglot import exp

from .errors import Refused, syntax_error

# Types that other databases have and Redshift has not.
UNSUPPORTED = {
    "json", "jsonb", "uuid", "bytea", "bit", "money", "serial", "bigserial", "smallserial", "inet", "xml", "hstore", "enum",
    "ubigint", "uint", "usmallint", "utinyint", "tinyint", "mediumint", "datetime", "year", "blob", "mediumtext", "longtext",
}

# The others, as PostgreSQL has them.
PLAIN = {
    "int": "integer", "integer": "integer", "bigint": "bigint", "smallint": "smallint", "float": "real", "real": "real",
    "double": "double precision", "boolean": "boolean", "date": "date", "timestamp": "timestamp", "timestampntz": "timestamp",
    "timestamptz": "timestamptz", "timestampltz": "timestamptz", "time": "time", "timetz": "timetz", "super": "jsonb",
    "varbinary": "bytea", "binary": "bytea", "varbyte": "bytea",
}


def column_type(kind):
    """A type as PostgreSQL has it, and the condition that its values must fulfil besides, with {c} for the column."""
    name = kind.this.value.lower() if hasattr(kind.this, "value") else str(kind.this).lower()
    sizes = [int(e.this.this) if isinstance(e.this, exp.Literal) and not e.this.is_string else str(e.this).lower()
             for e in kind.expressions]
    if name == "userdefined" and str(kind.args.get("kind", "")).lower() == "varbyte":
        name = "varbyte"
    if name in UNSUPPORTED:
        raise Refused(f'ERROR: Column has unsupported type "{name}".')
    if name in ("varchar", "nvarchar", "text"):
        size = _length(sizes, 256, 65_535) if name != "text" else 256
        if not 1 <= size <= 65_535:
            raise Refused("ERROR: length for type character varying cannot exceed 65535")
        return f"varchar({size})", f"octet_length({{c}}) <= {size}"
    if name in ("char", "nchar", "bpchar"):
        size = _length(sizes, 256 if name == "bpchar" else 1, 4_096)
        if not 1 <= size <= 4_096:
            raise Refused("ERROR: length for type character cannot exceed 4096")
        return f"char({size})", r"{c} ~ '^[\x01-\x7f]*$'"
    if name in ("decimal", "numeric"):
        precision, scale = [*sizes, *[18, 0][len(sizes):]]
        if not 1 <= precision <= 38:
            raise Refused(f"ERROR: NUMERIC precision {precision} must be between 1 and 38")
        if not 0 <= scale <= min(precision, 37):
            raise Refused(f"ERROR: NUMERIC scale {scale} must be between 0 and precision {precision}")
        return f"numeric({precision},{scale})", None
    if name in ("varbinary", "binary", "varbyte"):
        size = _length(sizes, 64_000, 1_024_000)
        if not 1 <= size <= 1_024_000:
            raise Refused("ERROR: length for type varbyte cannot exceed 1024000")
        return "bytea", f"octet_length({{c}}) <= {size}"
    if name not in PLAIN:
        raise Refused(f'ERROR: type "{name}" does not exist')
    return PLAIN[name], None


def _length(sizes, default, largest):
    return largest if sizes and sizes[0] == "max" else sizes[0] if sizes else default


def without_options(text):
    """DISTSTYLE, DISTKEY, SORTKEY and ENCODE mean nothing to PostgreSQL, and the parser reads only some of their combinations."""
    for pattern in (
        r"\bencode\s+\w+",
        r"\bdiststyle\s+(all|even|key|auto)\b",
        r"\b(compound|interleaved)?\s*sortkey\s*(auto|\([^)]*\))",
        r"\bdistkey\s*\([^)]*\)",
        r"\b(distkey|sortkey)\b(?=\s*[,)]|\s+(not|null|default|primary|encode|distkey|sortkey))",
        r"\bbackup\s+(yes|no)\b",
    ):
        text = re.sub("(?is)" + pattern, " ", text)
    return text


def create(tree, text):
    """CREATE TABLE for PostgreSQL, from the parsed statement and its text."""
    schema = tree.this
    for word in ("UNLOGGED", "INHERITS", "PARTITION BY"):
        if re.search(rf"(?i)\b{word}\b", text):
            raise syntax_error(word.split()[0])
    if isinstance(schema, exp.Table) and tree.expression is not None:
        return tree.sql(dialect="postgres")
    temporary = "TEMP " if re.match(r"(?is)\s*create\s+(local\s+)?temp", text) else ""
    like = _like(tree)
    if like is not None:
        name = (schema.this if isinstance(schema, exp.Schema) else schema).sql(dialect="postgres")
        defaults = " INCLUDING DEFAULTS" if "including defaults" in text.lower() else ""
        return f"CREATE {temporary}TABLE {name} (LIKE {like.sql(dialect='postgres')} INCLUDING CONSTRAINTS{defaults})"
    if not isinstance(schema, exp.Schema):
        raise syntax_error("CREATE")
    exists = "IF NOT EXISTS " if tree.args.get("exists") else ""
    key = _key(schema)
    columns = [_column(item, key) for item in schema.expressions if isinstance(item, exp.ColumnDef)]
    return f"CREATE {temporary}TABLE {exists}{schema.this.sql(dialect='postgres')} ({', '.join(columns)})"


def _like(tree):
    """The table that the new one is like, if it is."""
    items = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    properties = (tree.args.get("properties") or exp.Properties(expressions=[])).expressions
    return next((item.this for item in [*items, *properties] if isinstance(item, exp.LikeProperty)), None)


def _key(schema):
    """The columns of the primary key, which are NOT NULL. Refuses what no table of Redshift has."""
    key = set()
    for item in schema.expressions:
        if item.find(exp.CheckColumnConstraint):
            raise syntax_error("CHECK")
        if isinstance(item, exp.PrimaryKey):
            key |= {column.name.lower() for column in item.find_all(exp.Identifier)}
        elif isinstance(item, exp.ColumnDef):
            if any(isinstance(constraint.kind, exp.PrimaryKeyColumnConstraint) for constraint in item.constraints):
                key.add(item.name.lower())
        elif not isinstance(item, (exp.ForeignKey, exp.UniqueColumnConstraint, exp.Constraint)):
            raise syntax_error(item.sql()[:20])
    return key


def _column(item, key):
    quoted = '"' + item.name.lower().replace('"', '""') + '"'
    kind, check = column_type(item.kind)
    line = f"{quoted} {kind}"
    if check:
        line += " CHECK (" + check.format(c=quoted) + ")"
    kinds = [constraint.kind for constraint in item.constraints]
    if item.name.lower() in key or any(isinstance(k, exp.NotNullColumnConstraint) and not k.args.get("allow_null") for k in kinds):
        line += " NOT NULL"
    for kind in kinds:
        if isinstance(kind, exp.DefaultColumnConstraint):
            line += " DEFAULT " + kind.this.sql(dialect="postgres")
        if isinstance(kind, exp.GeneratedAsIdentityColumnConstraint):
            line += " GENERATED BY DEFAULT AS IDENTITY"
    return line

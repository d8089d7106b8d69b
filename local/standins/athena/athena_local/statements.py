"""What a statement is: the DDL and UNLOAD that sqlglot leaves to others, and the rest from its tree."""

import re
from dataclasses import dataclass, field

from sqlglot import exp

from . import serde
from .errors import invalid
from .translate import parse

_NAME = r"(?:[`\"]?([A-Za-z0-9_]+)[`\"]?\s*\.\s*)?[`\"]?([A-Za-z0-9_]+)[`\"]?"


@dataclass
class Statement:
    """`kind` is SELECT, CTAS, UNLOAD, INSERT, or a DDL's name."""

    kind: str
    query: exp.Expression | None = None
    database: str | None = None
    table: str | None = None
    if_exists: bool = False  # or IF NOT EXISTS, or OR REPLACE
    location: str | None = None
    properties: dict = field(default_factory=dict)
    columns: list = field(default_factory=list)
    keys: list = field(default_factory=list)
    library: str = serde.LAZY_SIMPLE
    serde_parameters: dict = field(default_factory=dict)
    partition: dict = field(default_factory=dict)
    text: str = ""

    @property
    def statement_type(self):
        if self.kind in ("SELECT", "INSERT", "UNLOAD", "EXPLAIN"):
            return "DML"
        return "UTILITY" if self.kind in ("SHOW", "DESCRIBE") else "DDL"

    @property
    def substatement_type(self):
        return {"CTAS": "CREATE_TABLE_AS_SELECT"}.get(self.kind, self.kind)


def read(sql):
    """The statement, or an ApiError that says what is malformed."""
    text = _without_comments(sql).strip().rstrip(";").strip()
    for pattern, make in _BY_PATTERN:
        match = re.fullmatch(pattern, text, re.I | re.S)
        if match:
            return make(match)
    tree = parse(text)
    if isinstance(tree, exp.Query):
        return Statement("SELECT", query=tree)
    if isinstance(tree, exp.Insert):
        target = tree.this.find(exp.Table) if not isinstance(tree.this, exp.Table) else tree.this
        return Statement("INSERT", query=tree.expression, database=_low(target.db), table=_low(target.name))
    if isinstance(tree, exp.Create):
        return _create(tree)
    raise invalid("Queries of this type are not supported", "MALFORMED_QUERY")


def _create(tree):
    if tree.kind == "VIEW":
        return Statement(
            "CREATE_VIEW",
            query=tree.expression,
            database=_low(tree.this.db),
            table=_low(tree.this.name),
            if_exists=bool(tree.args.get("replace")),
            text=tree.expression.sql("trino"),
        )
    if tree.kind != "TABLE":
        raise invalid("Queries of this type are not supported", "MALFORMED_QUERY")
    properties = tree.args["properties"].expressions if tree.args.get("properties") else []
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    statement = Statement(
        "CTAS" if tree.expression is not None else "CREATE_TABLE",
        query=tree.expression,
        database=_low(target.db),
        table=_low(target.name),
        if_exists=bool(tree.args.get("exists")),
    )
    if statement.kind == "CTAS":
        for item in properties:
            statement.properties.update(_ctas_property(item))
        return statement
    if not any(isinstance(item, exp.ExternalProperty) for item in properties):
        raise invalid("External keyword required for table type HIVE", "MALFORMED_QUERY")
    statement.columns = _columns(tree.this)
    for item in properties:
        if isinstance(item, exp.LocationProperty):
            statement.location = item.this.name
        elif isinstance(item, exp.RowFormatSerdeProperty):
            statement.library = item.this.name
            inner = item.args.get("serde_properties")
            for pair in inner.expressions if inner is not None else []:
                statement.serde_parameters[_key(pair)] = pair.args["value"].name
        elif isinstance(item, exp.RowFormatDelimitedProperty):
            if item.args.get("fields"):
                statement.serde_parameters["field.delim"] = item.args["fields"].name
        elif isinstance(item, exp.FileFormatProperty):
            if str(item.this.name).upper() == "PARQUET":
                statement.library = serde.PARQUET
        elif isinstance(item, exp.PartitionedByProperty):
            statement.keys = _columns(item.this)
        elif type(item) is exp.Property:
            statement.properties[_key(item)] = item.args["value"].name
    if not statement.location:
        raise invalid("line 1:8: mismatched input 'EXTERNAL'. Expecting: location", "MALFORMED_QUERY")
    return statement


def _columns(schema):
    return [
        (column.name.lower(), column.args["kind"].sql("hive").lower())
        for column in schema.expressions
        if isinstance(column, exp.ColumnDef)
    ]


def _key(item):
    return item.this.name if isinstance(item.this, exp.Expression) else str(item.this)


def _ctas_property(item):
    if isinstance(item, exp.FileFormatProperty):
        return {"format": item.this.name.upper()}
    if isinstance(item, exp.PartitionedByProperty):
        return {"partitioned_by": [part.name.lower() for part in item.this.expressions]}
    if isinstance(item, exp.LocationProperty):
        return {"location": item.this.name}
    name, value = _key(item).lower(), item.args["value"]
    if isinstance(value, exp.Array):
        return {name: [part.name.lower() for part in value.expressions]}
    return {name: value.name}


def _low(name):
    return name.lower() if name else None


def _named(kind, group=1, **more):
    def make(match):
        return Statement(
            kind,
            database=_low(match.group(group + 1)),
            table=_low(match.group(group + 2)),
            if_exists=bool(match.group(group)),
            **more,
        )

    return make


def _unload(match):
    inner, location, rest = match.group(1), match.group(2), match.group(3) or ""
    properties = {name.lower(): value for name, value in re.findall(r"(\w+)\s*=\s*'([^']*)'", rest)}
    return Statement("UNLOAD", query=parse(inner), location=location, properties=properties)


def _partition(kind):
    def make(match):
        values = dict(re.findall(r"(\w+)\s*=\s*'([^']*)'", match.group(4)))
        return Statement(
            kind,
            database=_low(match.group(1)),
            table=_low(match.group(2)),
            if_exists=bool(match.group(3)),
            partition=values,
            location=match.group(5) if match.lastindex and match.lastindex >= 5 else None,
        )

    return make


_BY_PATTERN = [
    (r"UNLOAD\s*\((.*)\)\s*TO\s*'(s3://[^']+)'\s*(?:WITH\s*\((.*)\))?", _unload),
    (
        r"CREATE\s+(?:DATABASE|SCHEMA)\s+(IF\s+NOT\s+EXISTS\s+)?[`\"]?([A-Za-z0-9_]+)[`\"]?(?:\s+COMMENT\s+'[^']*')?"
        r"(?:\s+LOCATION\s+'[^']*')?",
        lambda m: Statement("CREATE_DATABASE", database=_low(m.group(2)), if_exists=bool(m.group(1))),
    ),
    (
        r"DROP\s+(?:DATABASE|SCHEMA)\s+(IF\s+EXISTS\s+)?[`\"]?([A-Za-z0-9_]+)[`\"]?(\s+CASCADE|\s+RESTRICT)?",
        lambda m: Statement(
            "DROP_DATABASE",
            database=_low(m.group(2)),
            if_exists=bool(m.group(1)),
            properties={"cascade": "cascade" in (m.group(3) or "").lower()},
        ),
    ),
    (r"DROP\s+TABLE\s+(IF\s+EXISTS\s+)?" + _NAME, _named("DROP_TABLE")),
    (r"DROP\s+VIEW\s+(IF\s+EXISTS\s+)?" + _NAME, _named("DROP_VIEW")),
    (
        r"ALTER\s+TABLE\s+" + _NAME + r"\s+SET\s+LOCATION\s+'(s3://[^']+)'",
        lambda m: Statement("SET_LOCATION", database=_low(m.group(1)), table=_low(m.group(2)), location=m.group(3)),
    ),
    (
        r"ALTER\s+TABLE\s+"
        + _NAME
        + r"\s+ADD\s+(IF\s+NOT\s+EXISTS\s+)?PARTITION\s*\(([^)]*)\)(?:\s+LOCATION\s+'(s3://[^']+)')?",
        _partition("ADD_PARTITION"),
    ),
    (r"ALTER\s+TABLE\s+" + _NAME + r"\s+DROP\s+(IF\s+EXISTS\s+)?PARTITION\s*\(([^)]*)\)", _partition("DROP_PARTITION")),
    (r"MSCK\s+REPAIR\s+TABLE\s+()" + _NAME, _named("MSCK_REPAIR")),
    (
        r"SHOW\s+(TABLES|DATABASES|SCHEMAS)(?:\s+(?:IN|FROM)\s+[`\"]?([A-Za-z0-9_]+)[`\"]?)?",
        lambda m: Statement("SHOW", database=_low(m.group(2)), text=m.group(1).upper()),
    ),
    (r"(?:DESCRIBE|DESC)\s+()" + _NAME, _named("DESCRIBE")),
]


def _without_comments(sql):
    """Comments away, strings and quoted names untouched."""
    return re.sub(
        r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`)|--[^\n]*|/\*.*?\*/", lambda m: m.group(1) or " ", sql, flags=re.S
    )

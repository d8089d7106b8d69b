"""From Athena's SQL (Trino's) to DuckDB's, mended where the two mean different things by the same words."""

import logging
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, TokenError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from .errors import QueryError, invalid

logging.getLogger("sqlglot").setLevel(logging.ERROR)

# Functions of ours in DuckDB, for those that differ.
MACROS = [
    # Trino counts a negative start from the end, and has nothing to give where that is before the beginning.
    """CREATE MACRO athena_substr(s, start, n := NULL) AS
       CASE WHEN s IS NULL OR start IS NULL THEN NULL
            WHEN start = 0 OR abs(start) > length(s) THEN ''
            WHEN n IS NULL THEN substring(s, start)
            WHEN n <= 0 THEN ''
            ELSE substring(s, CASE WHEN start < 0 THEN length(s) + start + 1 ELSE start END, n) END""",
    """CREATE MACRO athena_regexp_extract(s, p, g) AS
       CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END""",
    """CREATE MACRO athena_to_integer(s, type_name) AS
       CASE WHEN s IS NULL OR regexp_full_match(s, '[+-]?[0-9]+') THEN s
            ELSE error('INVALID_CAST_ARGUMENT: Cannot cast ''' || s || ''' to ' || type_name) END""",
    """CREATE MACRO athena_try_integer(s) AS CASE WHEN regexp_full_match(s, '[+-]?[0-9]+') THEN s END""",
    """CREATE MACRO athena_int_div(a, b) AS CASE WHEN b = 0 THEN error('Division by zero') ELSE a // b END""",
    """CREATE MACRO athena_int_mod(a, b) AS CASE WHEN b = 0 THEN error('Division by zero') ELSE a % b END""",
    # What Java's Double.parseDouble takes: blanks around it, a letter behind it, and infinity for what is too large.
    # But for hexadecimal ones.
    """CREATE MACRO athena_java_number(s) AS regexp_extract(s,
       '^[\\x00-\\x20]*([+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?)[fFdD]?[\\x00-\\x20]*$', 1)""",
    """CREATE MACRO athena_java_word(s) AS regexp_extract(s,
       '^[\\x00-\\x20]*([+-]?(NaN|Infinity))[\\x00-\\x20]*$', 1)""",
    """CREATE MACRO athena_try_double(s) AS
       CASE WHEN s IS NULL THEN NULL
            WHEN athena_java_word(s) <> '' THEN CAST(athena_java_word(s) AS DOUBLE)
            WHEN athena_java_number(s) = '' THEN NULL
            WHEN TRY_CAST(athena_java_number(s) AS DOUBLE) IS NOT NULL THEN TRY_CAST(athena_java_number(s) AS DOUBLE)
            WHEN athena_java_number(s) LIKE '-%' THEN CAST('-Infinity' AS DOUBLE)
            ELSE CAST('Infinity' AS DOUBLE) END""",
    """CREATE MACRO athena_to_double(s) AS
       CASE WHEN s IS NULL OR athena_try_double(s) IS NOT NULL THEN athena_try_double(s)
            ELSE CAST(error('INVALID_CAST_ARGUMENT: Cannot cast ''' || s || ''' to DOUBLE') AS DOUBLE) END""",
]

_INTEGERS = (exp.DataType.Type.TINYINT, exp.DataType.Type.SMALLINT, exp.DataType.Type.INT, exp.DataType.Type.BIGINT)

# Functions that DuckDB has and Trino has not would pass here and fail on AWS.
_NOT_IN_TRINO = re.compile(
    r"^(read_|list_|struct_|parquet_|sniff_|glob$|getenv$|range$|generate_series$|string_split|"
    r"strptime$|epoch|md5_|regexp_full_match$|error$|query|duckdb_|pragma_|athena_|typeof$_)",
    re.I,
)


def parse(sql):
    """One statement, or MALFORMED_QUERY, as StartQueryExecution answers it."""
    try:
        statements = [statement for statement in sqlglot.parse(sql, read="athena") if statement is not None]
    except (ParseError, TokenError) as error:
        raise invalid(_plain(error), "MALFORMED_QUERY") from error
    if len(statements) != 1:
        raise invalid("Only one sql statement is allowed. Got: " + sql[:200], "MALFORMED_QUERY")
    return statements[0]


def _plain(error):
    return re.sub(r"\x1b\[[0-9]+m", "", str(error)).split("\n")[0]


def tables(query):
    """The tables that a query reads: {(database or '', name)}. Names of WITH parts are none."""
    found = set()
    for scope in traverse_scope(query):
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                found.add((source.db.lower(), source.name.lower()))
    return found


def to_duckdb(query, schema, database):
    """The DuckDB text of a SELECT. `schema` is {database: {table: {column: duckdb type}}}."""
    query = query.copy()
    for table in query.find_all(exp.Table):
        table.set("catalog", None)
        if table.args.get("db"):
            table.set("db", exp.to_identifier(table.db.lower(), quoted=True))
        table.set("this", exp.to_identifier(table.name.lower(), quoted=True))
    for function in query.find_all(exp.Anonymous):
        if _NOT_IN_TRINO.match(function.name):
            raise QueryError("FUNCTION_NOT_FOUND", f"Function '{function.name.lower()}' not registered")
    query = _qualified(query, schema, database)
    query = query.transform(_mend)
    return query.sql(dialect="duckdb")


def _qualified(query, schema, database):
    """Names resolved by Trino's rules: DuckDB would also let one use the alias of another column."""
    try:
        query = qualify(
            query,
            dialect="athena",
            schema=schema,
            db=database,
            expand_alias_refs=False,
            quote_identifiers=False,
            identify=False,
            validate_qualify_columns=True,
        )
        return annotate_types(query, schema=schema, dialect="athena")
    except OptimizeError as error:
        text = _plain(error)
        missing = re.search(r"Column '?\"?([^'\"]+)\"?'? could not be resolved|Unknown column: (.+?)(\.| |$)", text)
        if missing:
            raise QueryError(
                "COLUMN_NOT_FOUND", f"line 1:1: Column '{missing.group(1) or missing.group(2)}' cannot be resolved"
            ) from error
        return query


def _mend(node):
    if isinstance(node, exp.Literal) and not node.is_string and re.search(r"[.eE]", node.name):
        # Athena takes 1.5 for a double, not for a decimal.
        return exp.Cast(this=exp.Literal.string(node.name), to=exp.DataType.build("DOUBLE"))
    if isinstance(node, exp.Div) and _is_integer(node.this) and _is_integer(node.expression):
        return exp.Anonymous(this="athena_int_div", expressions=[node.this, node.expression])
    if isinstance(node, exp.Mod) and _is_integer(node.this) and _is_integer(node.expression):
        return exp.Anonymous(this="athena_int_mod", expressions=[node.this, node.expression])
    if isinstance(node, exp.Substring):
        arguments = [node.this, node.args.get("start") or exp.Literal.number(1)]
        if node.args.get("length") is not None:
            arguments.append(node.args["length"])
        return exp.Anonymous(this="athena_substr", expressions=arguments)
    if isinstance(node, exp.RegexpExtract):
        group = node.args.get("group") or exp.Literal.number(0)
        return exp.Anonymous(this="athena_regexp_extract", expressions=[node.this, node.expression, group])
    if isinstance(node, exp.Concat):
        # NULL in, NULL out.
        parts = node.expressions
        joined = parts[0]
        for part in parts[1:]:
            joined = exp.DPipe(this=joined, expression=part)
        return exp.Paren(this=joined)
    if (
        isinstance(node, exp.Cast)
        and node.to.this == exp.DataType.Type.DECIMAL
        and not node.to.expressions
        and node.this.is_string
    ):
        # DECIMAL '1.50' has as many digits as are written.
        whole, _, fraction = node.this.name.lstrip("+-").partition(".")
        precision, scale = max(len(whole.lstrip("0")) + len(fraction), 1), len(fraction)
        return exp.Cast(this=node.this, to=exp.DataType.build(f"DECIMAL({precision},{scale})"))
    if isinstance(node, (exp.Cast, exp.TryCast)) and _is_text(node.this):
        return _cast_of_text(node)
    return node


def _cast_of_text(node):
    """DuckDB rounds '4.5' to an integer; Trino refuses it."""
    target, lenient = node.to.this, isinstance(node, exp.TryCast)
    if target in _INTEGERS:
        if lenient:
            inner = exp.Anonymous(this="athena_try_integer", expressions=[node.this])
        else:
            name = exp.Literal.string(node.to.sql("trino"))
            inner = exp.Anonymous(this="athena_to_integer", expressions=[node.this, name])
        return (exp.TryCast if lenient else exp.Cast)(this=inner, to=node.to.copy())
    if target == exp.DataType.Type.DOUBLE:
        return exp.Anonymous(this="athena_try_double" if lenient else "athena_to_double", expressions=[node.this])
    return node


def _is_integer(node):
    return node.type is not None and node.type.this in _INTEGERS


def _is_text(node):
    return node.type is not None and node.type.this in exp.DataType.TEXT_TYPES


def without_order(query):
    """What CTAS and UNLOAD do to an ORDER BY that no LIMIT gives a meaning."""
    if isinstance(query, exp.Query) and query.args.get("order") and not query.args.get("limit"):
        query = query.copy()
        query.set("order", None)
    return query


def bind(sql, parameters):
    """Puts ExecutionParameters in place of the question marks, with Athena's (measured) reading of their text."""
    marks = sum(1 for match in _MARK.finditer(sql) if match.group(1) is None)
    if not marks:
        return sql
    if marks != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {marks} but found {len(parameters)}",
        )
    values = iter(parameters)
    return _MARK.sub(lambda match: match.group(1) or _parameter(next(values)), sql)


# Strings, quoted names and comments in group 1; else a question mark.
_MARK = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/)|\?", re.S)


def _parameter(value):
    """An expression without names is evaluated; everything else is text."""
    as_text = "'" + value.replace("'", "''") + "'"
    try:
        expression = sqlglot.parse_one(f"SELECT ({value})", read="trino")
    except (ParseError, TokenError):
        return as_text
    if not isinstance(expression, exp.Select) or len(expression.expressions) != 1:
        return as_text
    return as_text if list(expression.expressions[0].find_all(exp.Column, exp.Select)) else f"({value})"

"""What DuckDB says, in Athena's terms."""

import re

from .errors import NotHere, QueryError

# Whatever is not in here is not to be taken for Athena's answer.
_KNOWN = [
    (r"(HIVE_BAD_DATA|INVALID_CAST_ARGUMENT): (.*)", lambda m: QueryError(m.group(1), m.group(2))),
    (r"Division by zero", lambda m: QueryError("DIVISION_BY_ZERO", "Division by zero")),
    (
        r'Referenced column "([^"]+)" not found',
        lambda m: QueryError("COLUMN_NOT_FOUND", f"line 1:1: Column '{m.group(1)}' cannot be resolved"),
    ),
    (
        r"Could not convert string '([^']*)' to (\w+)",
        lambda m: QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast '{m.group(1)}' to {m.group(2)}"),
    ),
    (
        r"(Scalar|Aggregate|Table) Function with name ([^ ]+) does not exist",
        lambda m: NotHere(f"the function {m.group(2)}"),
    ),
    (
        r"must appear in the GROUP BY clause",
        lambda m: QueryError(
            "EXPRESSION_NOT_AGGREGATE",
            "line 1:1: expression must be an aggregate expression or appear in GROUP BY clause",
        ),
    ),
    (
        r"Table with name ([^ ]+) does not exist",
        lambda m: QueryError("TABLE_NOT_FOUND", f"line 1:15: Table '{m.group(1)}' does not exist"),
    ),
    (
        r"Binder Error: Cannot compare|No function matches|Cannot mix values",
        lambda m: QueryError("TYPE_MISMATCH", "line 1:1: types do not match"),
    ),
    # Athena takes such bytes as they are; DuckDB has no such text. Its own words would hold it.
    (
        r"Invalid string encoding found in Parquet file",
        lambda m: NotHere("texts of Parquet files that are not UTF-8"),
    ),
    (r"INTERRUPT", lambda m: QueryError("", "Query cancelled by user", state="CANCELLED")),
]


def query_error(error):
    """The QueryError that Athena would end with, for an error of DuckDB."""
    text = str(error)
    for pattern, make in _KNOWN:
        match = re.search(pattern, text)
        if match:
            return make(match)
    return NotHere(f"how Athena would word this: {text[:300]}")

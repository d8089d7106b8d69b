"""How Athena writes a value as text, in GetQueryResults and in the result file alike."""

import datetime
import decimal
import math
import struct


def text(value, type_name=""):
    """The text of a value that is not NULL; None for NULL."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return java_double(value, single=type_name.upper() in ("FLOAT", "REAL"))
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        stamp = value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
        return stamp if value.tzinfo is None else stamp + " UTC"
    if isinstance(value, (bytes, bytearray)):
        return " ".join(f"{byte:02x}" for byte in value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inner(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inner(key)}={_inner(item)}" for key, item in value.items()) + "}"
    return str(value)


def _inner(value):
    return "null" if value is None else text(value)


def java_double(value, single=False):
    """As Java's Double.toString: plain between 10^-3 and 10^7, else with an E; always a decimal point."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    digits = _shortest_single(value) if single else repr(value)
    sign, digits, exponent = decimal.Decimal(digits).as_tuple()
    digits = "".join(map(str, digits)).rstrip("0") or "0"
    point = len(decimal.Decimal(repr(value) if not single else _shortest_single(value)).as_tuple().digits) + exponent
    prefix = "-" if sign else ""
    if -3 < point <= 7:
        if point <= 0:
            return f"{prefix}0.{'0' * -point}{digits}"
        whole, rest = digits[:point].ljust(point, "0"), digits[point:]
        return f"{prefix}{whole}.{rest or '0'}"
    return f"{prefix}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def _shortest_single(value):
    for precision in range(1, 10):
        candidate = f"{value:.{precision}g}"
        if struct.pack("f", float(candidate)) == struct.pack("f", value):
            return repr(float(candidate))
    return repr(value)


def csv_line(values):
    """A line of a result file: every value quoted, NULL as nothing at all."""
    return ",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in values) + "\n"


# DuckDB's type names to Athena's (as GetQueryResults names them) and Hive's (as Glue does).
_SIMPLE = {
    "BOOLEAN": ("boolean", "boolean"),
    "TINYINT": ("tinyint", "tinyint"),
    "SMALLINT": ("smallint", "smallint"),
    "INTEGER": ("integer", "int"),
    "BIGINT": ("bigint", "bigint"),
    "FLOAT": ("float", "float"),
    "DOUBLE": ("double", "double"),
    "VARCHAR": ("varchar", "string"),
    "BLOB": ("varbinary", "binary"),
    "DATE": ("date", "date"),
    "TIMESTAMP": ("timestamp", "timestamp"),
    "TIMESTAMP_MS": ("timestamp", "timestamp"),
    "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone", None),
    "TIME": ("time", None),
    '"NULL"': ("unknown", None),
}


def athena_type(duck):
    duck = duck.upper()
    if duck.startswith("DECIMAL"):
        return "decimal"
    if duck.endswith("[]"):
        return "array"
    for start, name in (("STRUCT", "row"), ("MAP", "map")):
        if duck.startswith(start):
            return name
    return _SIMPLE.get(duck, ("varchar", None))[0]


def hive_type(duck):
    """The type a table gets, or None if Hive has none for it."""
    upper = duck.upper()
    if upper.startswith("DECIMAL"):
        return upper.lower()
    if upper.endswith("[]"):
        inner = hive_type(duck[:-2])
        return inner and f"array<{inner}>"
    return _SIMPLE.get(upper, (None, None))[1]


def duck_type(hive):
    """DuckDB's type for a column of a table; None for what is not known here."""
    hive = hive.strip().lower()
    base = hive.split("(")[0].strip()
    known = {
        "boolean": "BOOLEAN",
        "tinyint": "TINYINT",
        "smallint": "SMALLINT",
        "int": "INTEGER",
        "integer": "INTEGER",
        "bigint": "BIGINT",
        "float": "FLOAT",
        "real": "FLOAT",
        "double": "DOUBLE",
        "string": "VARCHAR",
        "varchar": "VARCHAR",
        "char": "VARCHAR",
        "binary": "BLOB",
        "date": "DATE",
        "timestamp": "TIMESTAMP",
    }
    if base == "decimal":
        return hive.upper() if "(" in hive else "DECIMAL(10,0)"
    if hive.startswith("array<") and hive.endswith(">"):
        inner = duck_type(hive[6:-1])
        return inner and f"{inner}[]"
    return known.get(base)

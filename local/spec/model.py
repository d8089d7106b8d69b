"""A naive model of the spec language: what table a spec makes of a history of uploads. Slow and exact. `table(spec, runs)` takes runs in order,
each a list of (key, bytes, modified), and gives (columns, rows) as psql --csv prints them; where the spec says fail, Bad is raised."""
import csv, datetime as dt, gzip, io, json, re
from dataclasses import dataclass, field as made
from decimal import Decimal, localcontext
from fractions import Fraction
from urllib.parse import unquote
from zoneinfo import ZoneInfo

SECONDS = {"nanoseconds": Fraction(1, 10**9), "microseconds": Fraction(1, 10**6), "milliseconds": Fraction(1, 1000), "seconds": Fraction(1),
           "minutes": Fraction(60), "hours": Fraction(3600), "days": Fraction(86400)}
WORDS = {"ms": "milliseconds", "s": "seconds", "sec": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
APPLIES = {"trim": None, "null_values": None, "decimal": ("integer", "number", "duration"), "group": ("integer", "number", "duration"),
           "strip": ("integer", "number"), "accounting": ("integer", "number"), "zone": ("date", "timestamp", "timestamptz")}


class Bad(Exception):
    """A bad row."""


class BadFile(Bad):
    """A bad file."""


def expand(spec):
    """The spec without its short forms, every column with what it has by default."""
    source, shape = {"prefix": spec.get("prefix", ""), **spec["source"]}, dict(spec["shape"])
    columns = {}
    for name, column in source["columns"].items():
        column = {"from": column} if isinstance(column, str) else dict(column)
        kind = {"row": "integer", "modified": "timestamptz"}.get(column.get("file"))
        if "constant" in column and "type" not in column:
            kind = "boolean" if isinstance(column["constant"], bool) else "text" if isinstance(column["constant"], str) else "number"
        column.setdefault("type", kind or "text")
        for option, value in source.get("defaults", {}).items():
            if APPLIES[option] is None or column["type"] in APPLIES[option]:
                column.setdefault(option, value)
        if not {"from", "partition", "file", "constant"} & column.keys():
            column["from"] = name
        column.setdefault("nullable", column["type"] in ("text", "json"))
        columns[name] = column
    shape["values"] = {name: {value: name} if isinstance(value, str) else value for name, value in shape.get("values", {}).items()}
    if isinstance(shape.get("filter"), list):
        shape["filter"] = {"and": shape["filter"]}
    if "pivot" in shape and isinstance(shape["pivot"]["into"], list):
        shape["pivot"] = {**shape["pivot"], "into": {name: name for name in shape["pivot"]["into"]}}
    return source, columns, shape, spec["target"]


# Files and rows

def suffixes(source):
    return [source["suffix"]] if isinstance(source["suffix"], str) else source["suffix"]


def is_input(source, key):
    if not key.startswith(source["prefix"]):
        return False
    inside = key[len(source["prefix"]):]
    if not source.get("read_hidden") and any(part[:1] in ("_", ".") for part in inside.split("/")):
        return False
    return any(key.lower().endswith((s + packed).lower()) for s in suffixes(source) for packed in ("", ".gz", ".zst"))


def kind_of(source, key):
    bare = re.sub(r"\.(gz|zst)$", "", key.lower())
    told = "parquet" if bare.endswith(".parquet") else "json" if bare.endswith((".json", ".jsonl", ".ndjson")) else "csv"
    return source.get("format", {}).get("type", told)


def records(source, columns, key, data):
    """Each row of a file as a function from a column's `from` to its raw value: text, None, or a JSON value."""
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    options, kind = source.get("format", {}), kind_of(source, key)
    if kind == "csv":
        yield from csv_records(options, columns, data)
        return
    if kind == "parquet":
        rows = parquet_rows(data)
    else:
        rows, text, decoder = [], data.decode("utf-8-sig").strip(), json.JSONDecoder(parse_float=Number, parse_int=Number)
        while text:
            try:
                value, end = decoder.raw_decode(text)
                for step in options.get("records", []):
                    value = value[step]
            except (ValueError, LookupError, TypeError) as error:
                raise BadFile(f"{key}: {error}") from None
            rows += value if isinstance(value, list) else [value]
            text = text[end:].lstrip(" \t\r\n\ufeff")
    for row in rows:
        yield lambda wanted, row=row: walk(row, wanted)


def parquet_rows(data):
    import pyarrow.parquet
    file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
    rows = file.read().to_pylist()
    # What INT96 holds is a point in time, which its type does not say.
    leaves = [file.schema.column(number) for number in range(len(file.schema))]
    for name in (leaf.path for leaf in leaves if leaf.physical_type == "INT96"):
        for row in rows:
            row[name] = row[name] and row[name].replace(tzinfo=dt.timezone.utc)
    return rows


class Number(str):
    """A JSON number as it is written: with a point, whatever the marks of texts are."""


class Field(str):
    """A field of csv, which may be the text of a JSON value."""


def written(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value)


def walk(value, way):
    for step in [way] if isinstance(way, str) else way:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def bare_name(name):
    """A name of a header; of files that were appended to one another each brings its own byte order mark."""
    marked = name.startswith("\ufeff")
    name = name.lstrip("\ufeff").strip()
    return name[1:-1].strip() if marked and len(name) > 1 and name[0] == name[-1] == '"' else name


def csv_records(options, columns, data):
    encoding = options.get("encoding", "utf-8").lower()
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb": "utf-8-sig"}
    encoding = marks.get(data[:2], {"iso-8859-1": "cp1252", "latin1": "cp1252", "utf-16": "utf-16-le"}.get(encoding, encoding))
    lines = data.decode(encoding).splitlines(keepends=True)
    if "comment" in options:
        lines = [line for line in lines if not line.startswith(options["comment"])]
    skip = options.get("skip", 0)
    lines = lines[0 if skip == "to_header" else skip:]
    ends = [place for place, line in enumerate(lines) if line.startswith(tuple(options.get("end_at", ["\0"])))]
    lines = lines[:ends[0]] if ends else lines
    quote = options.get("quote", '"')
    dialect = dict(delimiter=options.get("delimiter", ","), quotechar=quote, quoting=csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL,
                   escapechar=options.get("escape"), doublequote="escape" not in options, strict=True)
    try:
        rows = [row for row in csv.reader(lines, **dialect) if row]
    except csv.Error as error:
        raise BadFile(str(error)) from None
    header, needed = options.get("header", True), [c["from"] for c in columns.values() if "from" in c and not c.get("optional")]
    if header is True:
        while skip == "to_header" and rows and not set(needed) <= {name.strip() for name in rows[0]}:
            rows.pop(0)
        header = [bare_name(name) for name in rows.pop(0)] if rows else needed
    if set(needed) - set(header):
        raise BadFile(f"columns missing: {sorted(set(needed) - set(header))}")
    rows = rows[:len(rows) - options.get("skip_end", 0)]
    first = set(header)
    for row in rows:
        again = [bare_name(name) for name in row]
        has_all = len(set(needed)) > 1 and set(needed) <= set(again)
        if options.get("header", True) is True and (has_all or 2 * sum(name in first for name in again) > len(again)):
            if not set(needed) <= set(again):
                raise BadFile(f"a header again, without {sorted(set(needed) - set(again))}")
            header = again
            continue
        if options.get("ragged"):
            while len(row) > len(header) and row[-1] == "":
                row.pop()
            row += [""] * (len(header) - len(row))
        yield lambda wanted, row=row, header=header: field(row, header, wanted)


def field(row, header, wanted):
    if len(row) != len(header):
        raise Bad(f"{len(row)} fields, the header has {len(header)}: {row}")
    return Field(row[header.index(wanted)]) if wanted in header else None


# Values

def value_of(column, get, file):
    key, number, modified = file
    if "constant" in column:
        raw = column["constant"]
    elif "partition" in column:
        parts = dict(part.split("=", 1) for part in key.split("/")[:-1] if "=" in part)
        if column["partition"] not in parts:
            raise BadFile(f"{key} has no {column['partition']}=")
        raw = unquote(parts[column["partition"]])
        raw = None if raw == "__HIVE_DEFAULT_PARTITION__" else raw
    elif "file" in column:
        raw = {"key": key, "name": key.rsplit("/", 1)[-1], "row": str(number), "modified": modified}[column["file"]]
        if "pattern" in column:
            before, after = column["pattern"].split("*")
            if not (raw.startswith(before) and raw.endswith(after) and len(raw) >= len(before) + len(after)):
                raise BadFile(f"{raw!r} does not fit {column['pattern']!r}")
            raw = raw[len(before):len(raw) - len(after)]
    else:
        raw = get(column["from"])
    if isinstance(raw, str) and (column.get("trim") or column["type"] not in ("text", "json")):
        raw = type(raw)(raw.strip())
    if raw is None or raw in column.get("null_values", [""]):
        if "if_null" in column:
            return read(column, column["if_null"])
        if not column["nullable"]:
            raise Bad("null")
        return None
    return read(column, raw)


def read(column, raw):
    kind = column["type"]
    if kind == "text":
        if isinstance(raw, (dict, list)):
            raise Bad("a nested value is no text")
        return ("true" if raw else "false") if isinstance(raw, bool) else str(raw)
    if kind == "json":
        try:
            return written(json.loads(raw, parse_float=Number, parse_int=Number) if isinstance(raw, Field) else raw)
        except ValueError:
            raise Bad(f"{raw!r} is no JSON") from None
    if kind == "boolean":
        word = "true" if raw is True else "false" if raw is False else str(raw)
        for answer, words in ((True, column.get("true_values")), (False, column.get("false_values"))):
            if word in words if words is not None else word.lower() == str(answer).lower():
                return answer
        raise Bad(f"{raw!r} is no boolean")
    if kind in ("integer", "number"):
        number = decimal(column, raw)
        if kind == "integer" and (number != int(number) or not -2**63 <= number < 2**63):
            raise Bad(f"{raw!r} is no integer")
        return number
    if kind == "duration":
        return duration(column, raw)
    return moment(column, raw)


def decimal(column, raw):
    if isinstance(raw, Number) or not isinstance(raw, str):
        column = {}  # a number already, not a text of one
    text, negative = str(raw).strip(), False
    if column.get("accounting") and re.fullmatch(r"\(.*\)|.*-", text):
        negative, text = True, text.strip("()") if text[0] == "(" else text[:-1]
    for affix in column.get("strip", []):
        text = re.sub(rf"^([+-]?)\s*{re.escape(affix)}\s*|\s*{re.escape(affix)}$", r"\1", text.strip())
    marks, point = re.escape(column.get("group", "")), re.escape(column.get("decimal", "."))
    grouped = rf"|[1-9][0-9]{{0,2}}(?:[{marks}][0-9]{{2,3}})*[{marks}][0-9]{{3}}" if marks else ""
    if not (found := re.fullmatch(rf"([+-]?)([0-9]+{grouped}|(?={point}))(?:{point}([0-9]*))?(?:[eE]([+-]?[0-9]+))?", text)) or text[-1] not in "0123456789" + column.get("decimal", "."):
        raise Bad(f"{text!r} is no number")
    sign, whole, fraction, exponent = found.groups()
    number = Decimal(f"{sign}{re.sub(r'[^0-9]', '', whole) or 0}.{fraction or 0}e{exponent or 0}")
    if negative and sign:
        raise Bad(f"{text!r} is negative twice")
    return Fraction(-number if negative else number)


def duration(column, raw):
    if isinstance(raw, dt.timedelta):
        return Fraction(raw // dt.timedelta(microseconds=1), 10**6)
    text, form = str(raw), column.get("format")
    if form in SECONDS:
        return decimal(column, raw) * SECONDS[form]
    sign, text = (-1, text[1:]) if text[:1] == "-" else (1, text)
    if found := re.fullmatch(r"([0-9]+):([0-5]?[0-9]):([0-5]?[0-9](?:[.,][0-9]+)?)", text):
        h, m, s = found.groups()
        return sign * (int(h) * 3600 + int(m) * 60 + Fraction(s.replace(",", ".")))
    if found := re.fullmatch(r"([0-9]+):([0-5]?[0-9])(?: ?(min|h))?", text):
        form = {"min": "m:s", "h": "h:m", None: form}[found[3]]
        if form not in ("h:m", "m:s"):
            raise Bad(f"{text!r}: hours and minutes, or minutes and seconds?")
        return sign * (int(found[1]) * 60 + int(found[2])) * (60 if form == "h:m" else 1)
    if found := re.fullmatch(r"P(?=.)(?:([0-9]+)W)?(?:([0-9]+)D)?(?:T(?=[0-9])(?:([0-9.]+)H)?(?:([0-9.]+)M)?(?:([0-9.]+)S)?)?", text):
        return sign * sum(Fraction(part or 0) * size for part, size in zip(found.groups(), (604800, 86400, 3600, 60, 1)))
    if re.fullmatch(r"(?:[0-9.,]+ ?(?:ms|sec|s|min|m|h|d) ?)+", text + " "):
        return sign * sum(decimal({"decimal": column.get("decimal", ".")}, n) * SECONDS[WORDS[w]]
                          for n, w in re.findall(r"([0-9.,]+) ?(ms|sec|s|min|m|h|d)", text))
    raise Bad(f"{text!r} is no duration")


MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
PARTS = {"Y": r"(?P<Y>[0-9]{4})", "y": r"(?P<y>[0-9]{2})", "m": r"(?P<m>[0-9]{1,2})", "d": r"(?P<d>[0-9]{1,2})", "e": r" ?(?P<d>[0-9]{1,2})", "H": r"(?P<H>[0-9]{1,2})",
         "I": r"(?P<I>[0-9]{1,2})", "M": r"(?P<M>[0-9]{2})", "S": r"(?P<S>[0-9]{2})", "f": r"(?P<f>[0-9]{1,9})", "p": r"(?P<p>[AaPp]\.?[Mm]\.?)",
         "z": r"(?P<z>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})", "b": r"(?P<b>[A-Za-z]{3})", "B": r"(?P<b>[A-Za-z]+)", "a": "[A-Za-z]{3}", "A": "[A-Za-z]+", "j": r"(?P<j>[0-9]{3})", "%": "%"}
ISO = (r"(?P<Y>[0-9]{4})-(?P<m>[0-9][0-9])-(?P<d>[0-9][0-9])(?:[Tt ](?P<H>[0-9][0-9])(?::(?P<M>[0-9][0-9])(?::(?P<S>[0-9][0-9])(?:[.,](?P<f>[0-9]{1,9}))?)?)? ?(?P<z>Z|UTC|[+-][0-9][0-9](?::?[0-9][0-9])?)?)?")


def moment(column, raw):
    """A date, a local time, or (with an offset or by its type) an instant, as the column wants it."""
    form, kind = column.get("format", "iso"), column["type"]
    zone = ZoneInfo(column["zone"]) if "zone" in column else None
    if isinstance(raw, dt.datetime):
        at = raw
    elif isinstance(raw, dt.date):
        at = dt.datetime(raw.year, raw.month, raw.day)
    elif form.startswith("epoch"):
        micros = decimal(column, str(raw)) / {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[form[6:]] * 10**6
        at = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(microseconds=micros // 1)
        if micros.denominator != 1 and kind != "date":
            raise Bad(f"{raw!r} is finer than a microsecond")
    else:
        pattern = ISO if form == "iso" else "".join(PARTS[p[1]] if p[0] == "%" else re.escape(p) for p in re.findall(r"%.|[^%]", form))
        if not (found := re.fullmatch(pattern, str(raw))):
            raise Bad(f"{raw!r} is no {kind} as {form}")
        at = assembled({part: text for part, text in found.groupdict().items() if text is not None}, raw, kind)
    if at.tzinfo is not None and kind != "timestamptz" or kind == "timestamptz" and at.tzinfo is None:
        if zone is None:
            raise Bad(f"{raw!r}: in which zone?")
        if at.tzinfo is None:
            early, late = at.replace(tzinfo=zone, fold=0), at.replace(tzinfo=zone, fold=1)
            if early.astimezone(dt.timezone.utc).astimezone(zone).replace(tzinfo=None) != at:
                raise Bad(f"{raw!r} is never in {column['zone']}")
            if early.utcoffset() != late.utcoffset() and column.get("ambiguous", "bad_row") == "bad_row":
                raise Bad(f"{raw!r} is twice in {column['zone']}")
            at = late if column.get("ambiguous") == "later" else early
        else:
            at = at.astimezone(zone).replace(tzinfo=None)
    if "truncate" in column:
        if kind == "timestamptz":
            at = at.astimezone(zone or dt.timezone.utc)
        at = truncated(at, column["truncate"])
    return at.date() if kind == "date" else at.astimezone(dt.timezone.utc) if kind == "timestamptz" else at


def assembled(parts, raw, kind):
    year = int(parts["Y"]) if "Y" in parts else int(parts["y"]) + (2000 if int(parts["y"]) < 69 else 1900)
    try:
        if "j" in parts:
            day = dt.date(year, 1, 1) + dt.timedelta(int(parts["j"]) - 1)
            if day.year != year:
                raise ValueError
        else:
            month = MONTHS.index(parts["b"][:3].lower()) + 1 if "b" in parts else int(parts["m"])
            day = dt.date(year, month, int(parts.get("d", 1)))
        hour = int(parts.get("H", 0)) if "I" not in parts else int(parts["I"]) % 12 + 12 * (parts["p"][0] in "Pp")
        micros = parts.get("f", "0").ljust(9, "0")
        if int(micros[6:]) and kind != "date":  # the day is not in doubt
            raise Bad(f"{raw!r} is finer than a microsecond")
        at = dt.datetime(day.year, day.month, day.day, hour, int(parts.get("M", 0)), int(parts.get("S", 0)), int(micros[:6]))
    except ValueError:
        raise Bad(f"{raw!r} is not in the calendar") from None
    if "z" in parts:
        z = parts["z"].replace(":", "")
        minutes = 0 if z in ("Z", "UTC", "GMT") else (int(z[1:3]) * 60 + int(z[3:5] or 0)) * (-1 if z[0] == "-" else 1)
        if not -720 <= minutes <= 840 or minutes % 15 or z[3:5] > "59":
            raise Bad(f"{raw!r}: no clock has this offset")
        at = at.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
    return at


def truncated(at, to):
    if to == "week":
        at -= dt.timedelta(days=at.weekday())
    names = ["year", "month", "day", "hour", "minute", "second"]
    keep = {"week": 3, "quarter": 2}.get(to) or names.index(to) + 1
    parts = [at.year, at.month - (at.month - 1) % 3 if to == "quarter" else at.month, at.day, at.hour, at.minute, at.second][:keep]
    fold = at.fold if keep > 3 else 0  # in an hour that comes twice it stays in the one of the two that it is in
    return dt.datetime(*(parts + [1] * (3 - len(parts))), tzinfo=at.tzinfo, fold=fold)


# Shape

def literal(column, value):
    plain = {k: v for k, v in column.items() if k in ("type", "zone", "unit", "scale")}
    if column["type"] == "duration":
        plain["format"] = column["unit"]
    return value if isinstance(value, bool) else read(plain, str(value))


def holds(condition, columns, value):
    if "and" in condition or "or" in condition:
        return (all if "and" in condition else any)(holds(part, columns, value) for part in condition.get("and", condition.get("or")))
    if "not" in condition:
        return not holds(condition["not"], columns, value)
    column, it = columns[condition["column"]], value(condition["column"])
    tests = {"equal": lambda c: it == literal(column, c), "one_of": lambda cs: it in [literal(column, c) for c in cs],
             "lt": lambda c: it < literal(column, c), "lte": lambda c: it <= literal(column, c), "gt": lambda c: it > literal(column, c),
             "gte": lambda c: it >= literal(column, c)}
    if "null" in condition and (it is None) != condition["null"]:
        return False
    return all(it is not None and tests[op](c) for op, c in condition.items() if op in tests)


def named(condition):
    """The columns that a condition looks at."""
    if "column" in condition:
        return [condition["column"]]
    inner = condition.get("and", condition.get("or", [condition["not"]] if "not" in condition else []))
    return [name for part in inner for name in named(part)]


@dataclass
class Version:
    """What one read of a file found."""
    date: dt.datetime
    name: str
    rows: list = made(default_factory=list)
    bad_keys: set = made(default_factory=set)
    may_be_any: bool = False

    def is_whole(self, group, group_of):
        return not self.may_be_any and group not in map(group_of, self.bad_keys)


def fitting(key):
    if isinstance(key, str) and len(key.encode()) > 1600:
        raise Bad("a key that is too long for an index")
    return key


def version(source, columns, shape, name, data, modified):
    """The rows that count, each a dict of the values that are used, with its rank among equals; and the keys of bad rows."""
    found, pivot, good = Version(modified, name), shape.get("pivot"), 0
    used = set(shape["keys"]) | {c for v in shape["values"].values() for c in v.values() if c in columns} | ({pivot["on"]} if pivot else set())
    filtered = set(named(shape.get("filter", {})))
    if "rows" in shape:
        rows = shape["rows"]
        used |= set(rows.get("columns", columns)) | set(rows.get("order_by", [])) | set(named(rows.get("delete_when", {})))
    for of_key in (columns[column] for column in used if {"partition", "pattern"} & columns[column].keys()):
        try:
            value_of(of_key, None, (name, 0, modified))  # a key that does not fit makes a bad file also without rows
        except BadFile:
            raise
        except Bad:
            pass
    for number, get in enumerate(records(source, columns, name, data), 1):
        def value(column, get=get, number=number):
            return value_of(columns[column], get, (name, number, modified))
        try:
            for column in filtered:
                value(column)  # those of the filter are read first, all of them
            if "filter" in shape and not holds(shape["filter"], columns, value):
                good += 1
                continue
            row = {column: value(column) for column in used}
            if any(fitting(row[column]) is None for column in shape["keys"]):
                raise Bad("a key is null")
            if pivot and pivot.get("other", "bad_row") == "bad_row" and (row[pivot["on"]] or "") not in pivot["into"]:
                raise Bad(f"unknown category {row[pivot['on']]!r}")
            if pivot and pivot.get("other") == "ignore" and (row[pivot["on"]] or "") not in pivot["into"]:
                good += 1  # of what is left out a file has no word
                continue
        except BadFile:
            raise
        except Bad as bad:
            if source.get("on_bad_row", "fail") == "fail":
                raise Bad(f"{name}, row {number}: {bad}") from None
            try:
                key = tuple(fitting(value(column)) for column in shape["keys"])
            except Bad:
                key = (None,)
            found.may_be_any |= None in key
            found.bad_keys.add(key)
            continue
        good += 1
        found.rows.append((row, (modified, name, number)))
    if found.bad_keys and not good:
        raise BadFile(f"{name}: no row is good")
    return found


def aggregates(columns, shape, rows):
    """From each key to its other columns, of these rows with their ranks."""
    groups, pivot = {}, shape.get("pivot")
    for row, rank in rows:
        into = ""
        if pivot:
            category, other = row[pivot["on"]] or "", pivot.get("other")
            if category not in pivot["into"] and other == "ignore":
                continue
            into = pivot["into"].get(category) or other["into"]
        groups.setdefault(tuple(row[name] for name in shape["keys"]), {}).setdefault(into, []).append((row, rank))
    stems = [""]
    if pivot:
        stems = sorted(set(pivot["into"].values()) | ({pivot["other"]["into"]} if isinstance(pivot.get("other"), dict) else set()))
    result = {}
    for key, cells in groups.items():
        line = {}
        for stem in stems:
            for name, value in shape["values"].items():
                column = name if not stem else stem if len(shape["values"]) == 1 else f"{stem}_{name}"
                line[column] = aggregate(columns, value, cells.get(stem, []))
        result[key] = line
    return result


def aggregate(columns, value, rows):
    op, of = next((op, value[op]) for op in ("sum", "count", "min", "max", "mean", "first", "last") if op in value)
    if op == "count":
        return len([row for row, _ in rows if of == "*" or row[of] is not None])
    column = columns[of]
    if op in ("first", "last"):
        order = value["order_by"]
        ranked = [((row[order], rank), row[of]) for row, rank in rows if row[order] is not None]
        found = (min if op == "first" else max)(ranked, key=lambda pair: pair[0])[1] if ranked else None
        return final(column, found)
    found = [row[of] for row, _ in rows if row[of] is not None]
    if op == "sum":
        return final(column, sum(found)) if found else value.get("empty", 0)
    if not found:
        return None
    return final(column, Fraction(sum(found)) / len(found), value["scale"]) if op == "mean" else final(column, {"min": min, "max": max}[op](found))


def final(column, value, scale=None):
    if value is None or column["type"] not in ("duration", "number", "integer"):
        return value
    if column["type"] == "duration":
        value, scale = value / SECONDS[column["unit"]], column.get("scale") if scale is None else scale
    return value if scale is None else rounded(value, scale)


def rounded(value, scale):
    """Halves away from zero, as PostgreSQL rounds numeric."""
    sign, units = (-1 if value < 0 else 1), abs(value) * 10**scale
    return sign * Fraction((2 * units.numerator + units.denominator) // (2 * units.denominator), 10**scale)


def winner(shape, rows):
    order = shape["rows"].get("order_by", [])
    return max(rows, key=lambda pair: ([(pair[0][c] is not None, pair[0][c] or 0) for c in order], pair[1]))


def speak(columns, shape, rows):
    """What a set of rows says of each key: aggregates, or the row that wins (None: deleted)."""
    if "rows" not in shape:
        return aggregates(columns, shape, rows)
    groups = {}
    for row, rank in rows:
        groups.setdefault(tuple(row[name] for name in shape["keys"]), []).append((row, rank))
    names = [name for name in shape["rows"].get("columns", columns) if name not in shape["keys"]]
    result = {}
    for key, group in groups.items():
        row = winner(shape, group)[0]
        gone = "delete_when" in shape["rows"] and holds(shape["rows"]["delete_when"], columns, row.get)
        result[key] = None if gone else {name: final(columns[name], row[name]) for name in names}
    return result


def key_of(shape, row):
    return tuple(row[name] for name in shape["keys"])


def words(shape, versions, group_of):
    """A file's word on each key: (version that speaks, whether it is whole, its rows). A version is whole on a group of keys or on none of it."""
    result, of = {}, lambda version, key: [pair for pair in version.rows if key_of(shape, pair[0]) == key]
    for key in {key_of(shape, row) for version in versions for row, _ in version.rows}:
        group = group_of(key)
        whole = max((place for place, version in enumerate(versions) if version.is_whole(group, group_of)), default=-1)
        if whole >= 0 and any(group_of(key_of(shape, row)) == group for row, _ in versions[whole].rows):
            if rows := of(versions[whole], key):
                result[key] = (versions[whole], True, rows)
        elif later := [version for version in versions[whole + 1:] if of(version, key)]:
            result[key] = (later[-1], False, of(later[-1], key))
    return result


def repeated(columns, shape, said):
    """all_files: the files that say the same as another one of what they share, of two the one dated later, with why.
    Counts alone are often equal by chance, as is one figure on whatever many keys; a word that is 0 or null in all values says nothing."""
    if all("count" in value for value in shape["values"].values()):
        return {}
    parts = {**shape, "values": {f"{name}/{part}": value if part == "is" else {part: value["mean"]} for name, value in shape["values"].items()
                                 for part in (("sum", "count") if "mean" in value else ("is",))}}
    pivot = shape.get("pivot")
    stems = set(pivot["into"].values()) | ({pivot["other"]["into"]} if isinstance(pivot.get("other"), dict) else set()) if pivot else {""}
    counts = {f"{stem}_{name}" if stem else name for stem in stems for name, value in parts["values"].items() if "count" in value}
    dated = sorted((max(word[0].date for word in file.values()), name) for name, file in said.items() if file)
    # What a file says is exact; a sum of durations is rounded in the table only.
    exact = {name: {**column, "scale": None} for name, column in columns.items()}
    good, bad = {}, {}
    for _, name in dated:
        one = {key: aggregates(exact, parts, word[2]).get(key) for key, word in said[name].items()}
        one = {key: word for key, word in one.items() if any(value not in (0, None) for value in word.values())}
        for other, two in good.items():
            shared = one.keys() & two.keys()
            equal = [key for key in shared if one[key] == two[key]]
            figures = {pair for key in equal for pair in one[key].items() if pair[1] not in (0, None) and pair[0] not in counts}
            is_of_one_key = len(one) == len(two) == len(equal) == 1
            if len(figures) >= 2 and (is_of_one_key or len(equal) >= 2 and 2 * len(equal) > len(shared)):
                bad[name] = f"{name} says the same as {other} of {len(equal)} of {len(shared)} keys; newest_file?"
                break
        else:
            good[name] = one
    return bad


def table(spec, runs):
    source, columns, shape, target = expand(spec)
    mode, by_key = target["on_overlap"], target.get("newest_by") == "key"
    rank = (lambda rank: (rank[1], rank[0], *rank[2:])) if by_key else (lambda rank: rank)
    files, seen, state = {}, [], {}
    for run in runs:
        fresh = {}
        for name, data, modified in run:
            if is_input(source, name):
                try:
                    fresh[name] = version(source, columns, shape, name, data, modified)
                except BadFile:
                    if source.get("on_bad_file", "fail") == "fail":
                        raise
        for name, new in fresh.items():
            # S3 dates in whole seconds: of versions that are dated alike the one that comes later is the newer one.
            count = len(files.setdefault(name, []))
            new.rows = [(row, rank((date, key, count, number))) for row, (date, key, number) in new.rows]
            files[name].append(new)
            seen += new.rows
        if mode == "last_run":
            spoken = speak(columns, shape, [pair for new in fresh.values() for pair in new.rows])
            state.update({key: line for key, line in spoken.items() if state.get(key) is None or all(new.is_whole(key, tuple) for new in fresh.values())})
    places = [shape["keys"].index(name) for name in target.get("newest_per", shape["keys"])]
    group_of = lambda key: tuple(key[place] for place in places)
    said = {name: words(shape, versions, group_of) for name, versions in files.items()}
    if mode == "all_files":
        bad = repeated(columns, shape, said) if target.get("on_repeated_file", "fail") == "fail" else {}
        if bad and source.get("on_bad_file", "fail") == "fail":
            raise BadFile(min(bad.values()))
        said = {name: file for name, file in said.items() if name not in bad}
        state = speak(columns, shape, [pair for file in said.values() for word in file.values() for pair in word[2]])
    elif mode == "newest_row":
        state = speak(columns, shape, seen)
    elif mode == "newest_file":
        groups = {}
        for name, file in said.items():
            for key, word in file.items():
                groups.setdefault(group_of(key), {}).setdefault(name, []).append(word)
        speaking = [max(group.items(), key=lambda of: (all(word[1] for word in of[1]), rank((max(word[0].date for word in of[1]), of[0])))) for group in groups.values()]
        state = speak(columns, shape, [pair for _, spoken in speaking for word in spoken for pair in word[2]])
    lines = [list(key) + [line[name] for name in sorted(line)] for key, line in state.items() if line is not None]
    others = next((sorted(line) for line in state.values() if line is not None), [])
    header = list(shape["keys"]) + others
    return header, sorted([printed(value, target.get("types", {}).get(name)) for name, value in zip(header, line)] for line in lines)


def printed(value, kind):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dt.datetime):
        text = value.replace(tzinfo=None).isoformat(" ")
        return (text.rstrip("0") if value.microsecond else text) + ("" if value.tzinfo is None else "+00")
    if isinstance(value, (Fraction, int)):
        with localcontext() as context:
            context.prec = 80
            number = Decimal(Fraction(value).numerator) / Decimal(Fraction(value).denominator)
            if kind and (places := re.search(r",([0-9]+)\)", kind)):
                return f"{number:.{places[1]}f}"
            text = f"{number:f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)

"""What is wrong with a spec of the whole language: `problems(spec, schema)` gives (JSON pointer, message). First the schema, then the rules
across fields (reference.md, section 8), which a schema cannot say."""
import difflib, json, re
from zoneinfo import ZoneInfo

import jsonschema
import model

ORDERED = ("text", "integer", "number", "date", "timestamp", "timestamptz", "duration")
NUMBERS = ("integer", "number", "duration")
CSV_ONLY = ("delimiter", "quote", "escape", "header", "skip", "skip_end", "end_at", "comment", "ragged", "encoding")


def pointer(*path):
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def deepest(error):
    """Of the alternatives of a oneOf the one that got farthest says what is meant."""
    while error.context:
        error = max(error.context, key=lambda e: (len(e.absolute_path), e.validator != "type", e.validator not in ("enum", "const")))
    return error


def problems(spec, schema):
    found = [place for e in map(deepest, jsonschema.Draft202012Validator(nameable(schema)).iter_errors(spec)) for place in places(e)]
    return found or list(rules(spec))


def nameable(schema):
    """The same with {"not": {}} for false, of which jsonschema's errors do not tell the field."""
    if isinstance(schema, dict):
        kept = ("additionalProperties", "default", "const")
        return {name: {"not": {}} if part is False and name not in kept else nameable(part) for name, part in schema.items()}
    return [nameable(part) for part in schema] if isinstance(schema, list) else schema


def places(error):
    """Where and what; a field that may not be there is named itself, not the object that has it."""
    path = list(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for name in sorted(set(error.instance) - set(known)):
            near = difflib.get_close_matches(name, known, 1)
            yield pointer(*path, name), "there is no such field" + (f"; did you mean {near[0]!r}?" if near else "")
    elif error.validator == "not":
        yield pointer(*path), "does not go with the other fields here"
    else:
        yield pointer(*path), error.message


def rules(spec):
    for part in ("source", "shape", "target"):
        if len(json.dumps(spec[part], separators=(",", ":"), ensure_ascii=False)) > 4096:
            yield pointer(part), "longer than the 4,096 characters that a template parameter holds"
        if "${" in json.dumps(spec[part]):
            yield pointer(part), "${ is what the template's substitutions begin with"
    source, columns, shape, target = model.expand(spec)
    yield from source_rules(source, columns)
    named = list(names(spec["shape"]))
    for path, name in named:
        if name not in columns:
            hint = '; to count rows, write {"count": "*"}' if path[-1] == "count" or spec["shape"].get("values", {}).get(path[-1]) == "count" else ""
            near = difflib.get_close_matches(name, columns, 1)
            hint = hint or (f"; did you mean {near[0]!r}?" if near else "")
            yield pointer("shape", *path), f"there is no column {name!r} in source.columns{hint}"
    if any(name not in columns for _, name in named):
        return
    kind = lambda name: columns[name]["type"]
    for place, name in enumerate(shape["keys"]):
        if kind(name) in ("json", "duration"):
            yield pointer("shape", "keys", place), f"a {kind(name)} cannot be a key"
        if isinstance(spec["source"]["columns"][name], dict) and spec["source"]["columns"][name].get("nullable"):
            yield pointer("source", "columns", name, "nullable"), "a key is never null; say if_null"
    for name, value in shape["values"].items():
        op = next(op for op in value if op not in ("scale", "order_by", "empty"))
        allowed = {"sum": NUMBERS, "mean": NUMBERS, "min": ORDERED, "max": ORDERED}.get(op)
        if allowed and kind(value[op]) not in allowed:
            yield pointer("shape", "values", name), f"{op} needs one of {', '.join(allowed)}; {value[op]!r} is {kind(value[op])}"
        if "order_by" in value and kind(value["order_by"]) not in ORDERED:
            yield pointer("shape", "values", name, "order_by"), f"{kind(value['order_by'])} has no order"
    if "pivot" in shape and kind(shape["pivot"]["on"]) != "text":
        yield pointer("shape", "pivot", "on"), "categories are text"
    for place, name in enumerate(shape.get("rows", {}).get("order_by", [])):
        if kind(name) not in ORDERED:
            yield pointer("shape", "rows", "order_by", place), f"{kind(name)} has no order"
    for path, condition in conditions(spec["shape"]):
        for op, constant in condition.items():
            for at, value in enumerate(constant) if op == "one_of" else [(None, constant)] if op in ("equal", "lt", "lte", "gt", "gte") else []:
                if op not in ("equal", "one_of") and kind(condition["column"]) not in ORDERED or kind(condition["column"]) == "json":
                    yield pointer(*path, op), f"{kind(condition['column'])} cannot be compared so"
                    continue
                try:
                    model.literal(columns[condition["column"]], value)
                except model.Bad as bad:
                    yield pointer(*path, op, *([] if at is None else [at])), str(bad)
    outputs = list(output_names(shape, columns))
    for name in sorted(set(outputs)):
        if outputs.count(name) > 1:
            yield pointer("shape"), f"two columns of the table would be called {name!r}"
        if len(name.encode()) > 63:
            yield pointer("shape"), f"{name!r} is longer than the 63 bytes of a name in PostgreSQL"
    if len(outputs) > 1600:
        yield pointer("shape"), "a table of PostgreSQL has at most 1,600 columns"
    for name in target.get("types", {}):
        if name not in outputs:
            yield pointer("target", "types", name), "the table gets no such column from this spec"
    if "rows" in shape and target["on_overlap"] == "all_files":
        yield pointer("target", "on_overlap"), "rows cannot be added up: newest_row, newest_file or last_run"
    if "rows" not in shape and target["on_overlap"] == "newest_row":
        yield pointer("target", "on_overlap"), "values are of many rows: all_files, newest_file or last_run"
    for place, name in enumerate(target.get("newest_per", [])):
        if name not in shape["keys"]:
            yield pointer("target", "newest_per", place), f"{name!r} is no key"


def source_rules(source, columns):
    options, suffixes = source.get("format", {}), model.suffixes(source)
    for place, suffix in enumerate(suffixes):
        path = ("suffix",) if isinstance(source["suffix"], str) else ("suffix", place)
        if suffix.lower() in ("", ".gz", ".zst") and "type" not in options:
            yield pointer("source", *path), "does not say what the files hold; say format.type"
    kinds = {model.kind_of(source, "x" + suffix) for suffix in suffixes}
    for option in options:
        needs = "csv" if option in CSV_ONLY else "json" if option == "records" else None
        if needs and needs not in kinds:
            yield pointer("source", "format", option), f"is for {needs}, and no file is"
    if options.get("quote", '"') == options.get("delimiter", ","):
        yield pointer("source", "format", "delimiter"), "is the quote too"
    if "escape" in options and (options.get("quote", '"') is None or options["escape"] in (options.get("quote", '"'), options.get("delimiter", ","))):
        yield pointer("source", "format", "escape"), "stands before a quote, so that it is neither the quote nor the delimiter, and there is a quote"
    if options.get("skip") == "to_header" and isinstance(options.get("header"), list):
        yield pointer("source", "format", "skip"), "to_header is for files with a header"
    for name, column in columns.items():
        path = ("source", "columns", name)
        given = source["columns"][name]
        if len(name.encode()) > 63:
            yield pointer(*path), "longer than the 63 bytes of a name in PostgreSQL"
        if isinstance(column.get("from"), list) and kinds == {"csv"}:
            yield pointer(*path, "from"), "csv has no nested fields"
        if isinstance(options.get("header"), list) and isinstance(column.get("from"), str) and column["from"] not in options["header"] and not column.get("optional"):
            yield pointer(*path), f"format.header has no {column['from']!r}"
        if column.get("decimal", ".") in column.get("group", "") and isinstance(given, dict):
            yield pointer(*path), "the decimal mark is a group mark too"
        if "file" in column and column["type"] not in {"row": ("integer",), "modified": ("timestamptz", "date", "timestamp")}.get(column["file"], (column["type"],)):
            yield pointer(*path, "type"), f"{column['file']} cannot be read as {column['type']}"
        if column.get("optional") and not column["nullable"] and "if_null" not in column:
            yield pointer(*path, "optional"), "null where the column is missing: say nullable or if_null"
        if "zone" in column:
            try:
                ZoneInfo(column["zone"])
            except Exception:
                yield pointer(*path, "zone"), f"there is no zone {column['zone']!r}"
                continue
        for field in ("if_null", "constant"):
            if field in column:
                try:
                    model.literal(column, column[field])
                except model.Bad as bad:
                    yield pointer(*path, field), str(bad)
        if "%" in column.get("format", ""):
            yield from pattern_rules(path, column)


def pattern_rules(path, column):
    parts = re.findall(r"%(.)", column["format"])
    has = lambda letters: any(part in letters for part in parts)
    coarse = column.get("truncate") in ("month", "quarter", "year")
    missing = [what for what, there in (("a year", has("Yy")), ("a month", has("mbBj") or column.get("truncate") == "year"), ("a day", has("dej") or coarse),
               ("AM or PM (%p)", not has("I") or has("p")), ("a time", column["type"] == "date" or has("HI") or coarse)) if not there]
    if missing:
        yield pointer(*path, "format"), "lacks " + ", ".join(missing)
    if len(set(parts) - {"%"}) < len([part for part in parts if part != "%"]):
        yield pointer(*path, "format"), "has a part twice"


def names(shape):
    """Every place in the shape where a column of the source is named."""
    for place, name in enumerate(shape["keys"]):
        yield ("keys", place), name
    for name, value in shape.get("values", {}).items():
        if isinstance(value, str):
            yield ("values", name), name
        else:
            yield from ((("values", name, op), of) for op, of in value.items() if op not in ("scale", "empty") and of != "*")
    if "pivot" in shape:
        yield ("pivot", "on"), shape["pivot"]["on"]
    for part in ("columns", "order_by"):
        yield from ((("rows", part, place), name) for place, name in enumerate(shape.get("rows", {}).get(part, [])))
    for path, condition in conditions(shape):
        yield (*path[1:], "column"), condition["column"]


def conditions(shape):
    def walk(path, condition):
        if isinstance(condition, list):
            for place, part in enumerate(condition):
                yield from walk((*path, place), part)
        elif "column" in condition:
            yield path, condition
        else:
            op, inner = next(iter(condition.items()))
            yield from walk((*path, op), inner)
    if "filter" in shape:
        yield from walk(("shape", "filter"), shape["filter"])
    if "delete_when" in shape.get("rows", {}):
        yield from walk(("shape", "rows", "delete_when"), shape["rows"]["delete_when"])


def output_names(shape, columns):
    yield from shape["keys"]
    if "rows" in shape:
        yield from (name for name in shape["rows"].get("columns", columns) if name not in shape["keys"])
    elif "pivot" not in shape:
        yield from shape["values"]
    else:
        other = shape["pivot"].get("other")
        for stem in sorted(set(shape["pivot"]["into"].values()) | ({other["into"]} if isinstance(other, dict) else set())):
            yield from [stem] if len(shape["values"]) == 1 else [f"{stem}_{name}" for name in shape["values"]]

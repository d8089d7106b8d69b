"""The part `shapes`: specs that only the general way of the core knows."""
import csv
import json
from dataclasses import dataclass
from decimal import Decimal

import copyformat
from measure import Wrong, command, median, ratio, rounds

USUAL, OURS = "sluice, the usual shape", "sluice, {}"
PAYMENTS = {"Einkauf": "shopping", "Gehalt": "salary", "Miete": "rent", "Reise": "travel", "Strom": "power"}


@dataclass
class Shape:
    """A spec, the kind of its input, and the columns of its parts with their types."""
    title: str
    data: tuple
    source: dict
    shape: dict
    columns: dict
    keys: int

    def parts(self, **target):
        return {"source": self.source, "shape": self.shape, "target": {"table": "bench_rows", "create": True} | target}


NUMBER = {"type": "number"}
SHAPES = {
    "sessions": Shape(
        "two keys and three aggregates", ("pivot", "part-000.csv"),
        {"suffix": ".csv", "columns": {
            "date": {"from": "Start date", "type": "date"}, "project": "Project",
            "minutes": NUMBER | {"from": "Duration (in minutes)"}}},
        {"keys": ["date", "project"], "values": {"minutes": "sum", "longest": {"max": "minutes"}, "sessions": {"count": "*"}}},
        {"date": "date", "project": "text", "longest": "numeric", "minutes": "numeric", "sessions": "bigint"}, 2),
    "payments": Shape(
        "European CSV", ("payments", "part-000.csv"),
        {"suffix": ".csv", "format": {"delimiter": ";"}, "columns": {
            "date": {"from": "Buchungstag", "type": "date", "format": "%d.%m.%Y"}, "category": "Kategorie",
            "amount": NUMBER | {"from": "Betrag", "decimal": ",", "group": "."}}},
        {"keys": ["date"], "values": {"amount": "sum"}, "pivot": {"on": "category", "into": PAYMENTS}},
        {"date": "date"} | dict.fromkeys(sorted(PAYMENTS.values()), "numeric"), 1),
    "customers": Shape(
        "plain upsert", ("customers", "new.csv"),
        {"suffix": ".csv", "columns": {
            "id": {"type": "integer"}, "name": {}, "country": {}, "since": {"type": "date"}, "spent": NUMBER,
            "seen": {"type": "timestamp"}}},
        {"keys": ["id"], "rows": {}},
        {"id": "bigint", "country": "text", "name": "text", "seen": "timestamp", "since": "date", "spent": "numeric",
         "row": "bigint", "deleted": "boolean"}, 1),
}


def by_key(rows, shape):
    """From the keys to the other values, of rows of text; numbers as decimals, without what only the parts have."""
    names = [name for name in shape.columns if name not in ("row", "deleted")]
    numbers = {name for name, kind in shape.columns.items() if kind in ("numeric", "bigint")}
    result = {}
    for row in rows:
        values = [Decimal(str(row[name])) if name in numbers else str(row[name]) for name in names]
        key = tuple(values[:shape.keys])
        if key in result:
            raise Wrong(f"the key {key} comes twice")
        result[key] = values[shape.keys:]
    return result


def ours_by_key(path, shape):
    # In front stands the number of the file.
    rows = copyformat.decode(path.read_bytes(), ["bigint", *shape.columns.values()])
    return by_key((dict(zip(shape.columns, row[1:])) for row in rows), shape)


def theirs_by_key(path, shape):
    with open(path, newline="") as file:
        return by_key(csv.DictReader(file), shape)


def compare(found, expected):
    """Expects the same keys and values, numbers within 1e-9 of each other: others calculate with floats."""
    if found.keys() != expected.keys():
        raise Wrong(f"{len(found)} keys, expected {len(expected)}")
    for key, values in found.items():
        for value, wanted in zip(values, expected[key], strict=True):
            same = abs(value - wanted) <= abs(wanted) / 10**9 + Decimal("1e-6") if isinstance(value, Decimal) else value == wanted
            if not same:
                raise Wrong(f"{key}: {value}, expected {wanted}")


def shapes(bench):
    """The general way of the core on a local file, against the usual one and the peers on the same work."""
    # As many keys as one file may have.
    core, count = bench.functions.folder / "examples" / "pivot_file", min(bench.rows, 1_000_000)
    usual = bench.inputs("pivot", rows=count) / "part-000.csv"
    bench.report.add(f"{count:,} rows each; each in a fresh process. The usual shape, one key and one sum by category, is read from "
                     "the sessions. What the others come to is compared with ours.", "")
    for name, shape in SHAPES.items():
        kind, file = shape.data
        path, spec, out = bench.inputs(kind, rows=count) / file, bench.work / f"{name}.json", bench.work / f"{name}.part"
        spec.write_text(json.dumps(shape.parts(on_overlap="last_run")))
        ours = OURS.format(shape.title)
        if not bench.verify(ours, lambda: command([core, "--spec", spec, path], out)):
            continue
        mine = ours_by_key(out, shape)
        contenders = {USUAL: lambda: command([core, usual], bench.work / "usual.csv"),
                      ours: lambda: command([core, "--spec", spec, path], out)}
        for title, peer in bench.peers("shape").items():
            contenders[title] = lambda peer=peer: run_peer(bench, [*peer, name], path, shape, mine)
        results = rounds(bench.rounds, contenders)
        bench.report.add(f"{shape.title}: {len(mine):,} rows of {path.stat().st_size / 1e6:,.0f} MB", "")
        bench.report.results(results, USUAL)
        bench.report.bar(f"{shape.title}, CPU per row", ratio(results, ours, USUAL, "total"), 3, " x the usual shape")
        polars = next((title for title in results if title.startswith("polars")), None)
        bench.report.bar(f"{shape.title}, CPU", polars and ratio(results, ours, polars, "total"), 1, " x polars, streaming")
        peak = median(results, ours, "peak")
        bench.report.add(f"Peak: {peak:.0f} MiB." if peak else "", "")


def run_peer(bench, peer, path, shape, mine):
    out = bench.work / "peer.csv"
    run = command([*peer, out, path], bench.work / "peer.out", env=bench.environment)
    if not run.problem:
        compare(theirs_by_key(out, shape), mine)
    return run

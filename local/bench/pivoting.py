"""The parts `pivot`, `function` and `memory`: from files to sums."""
import csv
import math
from decimal import Decimal

import copyformat
from measure import Wrong, command, median, ratio, rounds, seconds

LIMIT = "limit_pivot"
SLOW = ("pandas, as people write it",)
PREFIX = "input_data/"


def read_sums(path):
    return copyformat.sums(path.read_bytes())


def exact_sums(*paths):
    """From date to the two sums, added up in decimals."""
    sums = {}
    for path in paths:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                day = sums.setdefault(row["Start date"][:10], [Decimal(0), Decimal(0)])
                day[row["Project"] == "Work"] += Decimal(row["Duration (in minutes)"])
    return {date: tuple(sums[date]) for date in sorted(sums)}


def check(found, expected, exactly=False, times=1):
    """Expects the same dates and sums, or sums within 1e-9 from who calculates with floats."""
    if list(found) != list(expected):
        raise Wrong(f"{len(found)} dates, not the {len(expected)} of {LIMIT}")
    for date, pair in found.items():
        for value, wanted in zip(pair, expected[date], strict=True):
            wanted *= times
            if value != wanted if exactly else not math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-9):
                raise Wrong(f"{date}: {value}, not {wanted}")


def limit(bench, *files):
    """A run of the limit; its sums are in the file `limit.csv`."""
    return command([bench.limit, *files], bench.work / "limit.csv")


def limit_sums(bench, *files):
    run = limit(bench, *files)
    if run.problem:
        raise SystemExit(f"{LIMIT}: {run.problem}")
    return read_sums(bench.work / "limit.csv")


def pivot(bench):
    """The core on a local file, against the limit and the peers."""
    file = bench.inputs("pivot", rows=bench.rows) / "part-000.csv"
    expected = limit_sums(bench, file)
    size = file.stat().st_size / 1e6
    bench.report.add(f"{bench.rows:,} rows, {size:,.0f} MB, {len(expected):,} dates; each in a fresh process.", "")
    contenders = {LIMIT: lambda: limit(bench, file), f"{LIMIT}, the file mapped": lambda: limit(bench, "--mapped", file)}
    core = bench.functions.folder / "examples" / "pivot_file"
    if core.exists():
        small = bench.inputs("pivot", rows=20_000) / "part-000.csv"
        bench.verify("sluice, pivot_file, against decimals", lambda: run_core(bench, core, small, exact_sums(small)))
        contenders["sluice, pivot_file"] = lambda: run_core(bench, core, file, expected)
    else:
        bench.report.add("Left out, not there: `examples/pivot_file`.", "")
    for title, peer in bench.peers("pivot").items():
        contenders[title] = lambda peer=peer: run_peer(bench, peer, file, expected)
    results = rounds(bench.rounds, contenders, SLOW)
    bench.report.results(results, LIMIT)
    bench.report.bar("pivot core on a local file, CPU", ratio(results, "sluice, pivot_file", LIMIT, "total"), 1.5, f" x {LIMIT}")


def run_core(bench, core, file, expected):
    out = bench.work / "core.csv"
    run = command([core, file], out)
    if not run.problem:
        check(read_sums(out), expected, exactly=True)
    return run


def run_peer(bench, peer, file, expected):
    out = bench.work / "peer.csv"
    run = command([*peer, out, file], bench.work / "peer.out", env=bench.environment)
    if not run.problem:
        with open(out, newline="") as rows:
            columns = "learning_minutes", "work_minutes"
            found = {row["date"][:10]: tuple(float(row[column]) for column in columns) for row in csv.DictReader(rows)}
        check(found, {date: tuple(map(float, pair)) for date, pair in expected.items()})
    return run


def run_function(bench, expected, times=1):
    """The function on the objects that the fake holds, once they are detected; and whether its sums are right."""
    execution, detected = bench.functions.detect()
    outcome = bench.functions.pivot(execution, detected.answer, waits=True)
    part = bench.work / "pivoted"
    bench.aws("save", key=outcome.answer["pivoted"]["key"], path=str(part))
    check(read_sums(part), expected, exactly=True, times=times)
    return outcome


def put(bench, file, times=1):
    """The file as the only object; `times` as long."""
    bench.aws("clear")
    return bench.aws("put_file", key=f"{PREFIX}part-000.csv", path=str(file), times=times)["size"]


def function(bench):
    """The function itself: the same file as one object, over HTTP."""
    file = bench.inputs("pivot", rows=bench.rows) / "part-000.csv"
    small = bench.inputs("pivot", rows=20_000) / "part-000.csv"
    put(bench, small)
    bench.verify("sluice, pivot, against decimals", lambda: run_function(bench, exact_sums(small)))
    put(bench, file)
    expected = limit_sums(bench, file)
    bench.aws("reads")
    results = rounds(bench.rounds, {LIMIT: lambda: limit(bench, file), "sluice, pivot": lambda: run_function(bench, expected)})
    bench.report.add(f"The file of {bench.rows:,} rows as one object. CPU is that of the function's process, its start included; "
                     "wall is that of the invocation.", "")
    bench.report.results(results, LIMIT)
    reads = bench.aws("reads")
    idle, peak = median(results, "sluice, pivot", "idle"), median(results, "sluice, pivot", "peak")
    if idle is not None:
        bench.report.add(f"Idle {idle:.1f} MiB, peak {peak:.1f} MiB. All runs together: {reads['requests']} requests for objects, "
                         f"{reads['bytes'] / 1e6:,.0f} MB.", "")
    bench.report.bar("pivot function from S3 over HTTP, CPU", ratio(results, "sluice, pivot", LIMIT, "total"), 3, f" x {LIMIT}")
    bench.report.bar("its peak above idle", idle and peak - idle, 32, " MiB")


def memory(bench):
    """The function's memory as the object grows."""
    file = bench.inputs("pivot", rows=10_000 if bench.quick else 1_000_000) / "part-000.csv"
    expected = limit_sums(bench, file)
    sizes, rows = [1, 10, 100] if bench.large else [1, 10], []
    peaks, above = [], []
    for times in sizes:
        size = put(bench, file, times)
        results = rounds(1, {f"sluice, pivot of {size / 1e6:,.1f} MB": lambda: run_function(bench, expected, times)})
        (name, [run]), = results.items()
        if run.problem:
            bench.report.failed(name, run.problem)
            rows.append([name, run.problem, "", "", "", ""])
            continue
        peaks.append(run.peak)
        above.append(run.peak - run.idle)
        rows.append([name, seconds(run.cpu), seconds(run.wall), f"{run.idle:.1f}", f"{run.peak:.1f}", f"{above[-1]:.1f}"])
    bench.report.rows(["name", "CPU s", "wall s", "idle MiB", "peak MiB", "peak above idle MiB"], rows)
    bench.report.bar("peak above idle, of all sizes", max(above, default=None), 32, " MiB")
    spread = (max(peaks) / min(peaks) - 1) * 100 if len(peaks) == len(sizes) else None
    bench.report.bar("difference between the sizes' peaks", spread, 10, " %")

"""The parts `detect`, `start` and `job`: listings, cold starts, and the whole of it."""
import json
import statistics
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

from functions import ALL, BUCKET, new_execution
from measure import Wrong, command, ratio, rounds
from pivoting import PREFIX, exact_sums, limit

LONG_AGO, LATELY = 1_000_000_000, 1_790_000_000  # before and after all objects of the fake


def succeeded(at):
    """One execution that succeeded."""
    return [{"execution": new_execution("earlier"), "at": at}]


def detect(bench):
    """A large listing, against Python's clients."""
    count = 20_000 if bench.quick else 1_000_000
    bench.report.add(f"{count:,} objects, flat or in 100 folders. Where nothing is new, ours only lists, as the others do; where "
                     "all is new, it also writes the batches. The pages come from another process on the same machine, which "
                     "bounds the wall time.", "")

    def listing(folders):
        bench.aws("clear")
        bench.aws("list", prefix=PREFIX, count=count, folders=folders)

    listing(0)
    bench.aws("executions", listed=[])
    _, first = bench.functions.detect()
    bench.aws("save", key=first.answer["manifest"]["key"], path=str(bench.work / "manifest.json"))
    # Only of a target of which something is known to be loaded, nothing older is looked at.
    loaded = {"generation": "bench", "detected_at": "2001-09-09T01:46:40.000Z",
              "print": json.loads((bench.work / "manifest.json").read_text())["print"]}

    def ours(folders, last_success, new):
        def run():
            listing(folders)
            bench.aws("put_text", key="state/bench/loaded.json", text=json.dumps(loaded))
            bench.aws("executions", listed=succeeded(last_success))
            _, outcome = bench.functions.detect()
            if outcome.answer["new_file_count"] != new:
                raise Wrong(f"{outcome.answer['new_file_count']} new files, not {new}")
            return outcome
        return run

    def theirs(peer):
        listing(0)
        out = bench.work / "peer.out"
        run = command([*peer, BUCKET, PREFIX], out, env=bench.environment | bench.functions.aws)
        if not run.problem and int(out.read_text()) != count:
            raise Wrong(f"{out.read_text().strip()} objects, not {count}")
        return run

    contenders = {
        "sluice, flat": ours(0, LATELY, 0),
        "sluice, folders": ours(100, LATELY, 0),
        "sluice, flat, all new": ours(0, LONG_AGO, count),
        "sluice, folders, all new": ours(100, LONG_AGO, count),
    }
    peers = bench.peers("list")
    contenders |= {f"{title}, flat": lambda peer=peer: theirs(peer) for title, peer in peers.items()}
    results = rounds(bench.rounds, contenders, slow=[name for name in contenders if not name.startswith("sluice")])
    bench.report.results(results, next(iter(contenders)))
    bench.aws("executions", listed=[])


def start(bench):
    """From exec to the first request for an event."""
    times = 3 if bench.quick else 20
    names = [name for name in ALL if bench.functions.has(name)]
    runs = {name: [] for name in names}
    imports = "python -c 'import pandas, boto3, psycopg2'"
    python = []
    for _ in range(times):
        for name in names:
            runs[name].append(bench.functions.run(name))
        python.append(command([sys.executable, "-c", "import pandas, boto3, psycopg2"]))
    rows, middle = [], statistics.median
    for name, outcomes in runs.items():
        size = (bench.functions.folder / name).stat().st_size / 1e6
        wall, cpu = (middle(getattr(outcome, key) for outcome in outcomes) * 1000 for key in ("start", "cpu"))
        rows.append([name, f"{wall:.1f}", f"{min(outcome.start for outcome in outcomes) * 1000:.1f}", f"{cpu:.1f}",
                     f"{middle(outcome.idle for outcome in outcomes):.1f}", f"{size:.1f}"])
    if python[-1].problem:
        bench.report.add(f"Left out, not installed: {imports}.", "")
    else:
        wall, cpu = (middle(getattr(run, key) for run in python) * 1000 for key in ("wall", "cpu"))
        rows.append([f"`{imports}`", f"{wall:.0f}", f"{min(run.wall for run in python) * 1000:.0f}", f"{cpu:.0f}",
                     f"{middle(run.peak or 0 for run in python):.0f}", ""])
    bench.report.add(f"Median of {times} starts, interleaved, files in the page cache.", "")
    bench.report.rows(["name", "wall ms", "least", "CPU ms", "resident MiB", "binary MB"], rows)
    for name, outcomes in runs.items():
        bench.report.bar(f"cold start of {name}", middle(outcome.start for outcome in outcomes) * 1000, 15, " ms")
        size = (bench.functions.folder / name).stat().st_size / 1e6
        bench.report.bar(f"binary of {name}", size, 30 if name == "pivot" else 15, " MB")


def job(bench):
    """All of it, on small files."""
    bench.report.add("Our three functions, one after the other, each in a fresh process, its time taken from its start to its "
                     "answer; the files are objects. The others read local files. At least 11 rounds, and an empty table before "
                     "each run.", "")
    folder = bench.inputs("pivot", rows=806, files=3, days=140, crlf=True)
    inputs = {"three small files": sorted(folder.glob("*.csv"))}
    if bench.sample:
        files = sorted(bench.sample.glob("*.csv")) if bench.sample.is_dir() else [bench.sample]
        inputs = {"the sample": files} | inputs
    else:
        bench.report.add("Left out: the real sample, `--sample FILE`.", "")
    for title, files in inputs.items():
        bench.report.add(f"### {title}", "")
        results = run_jobs(bench, files)
        bench.report.results(results, "limit_pivot + psql_temp")
        for quantity, word in ("wall", "wall"), ("total", "CPU"):
            value = ratio(results, "sluice", "limit_pivot + psql_temp", quantity)
            bench.report.bar(f"the whole job, functions' own time, {word}", value, 2, " x limit")
        bench.report.add("")


def run_jobs(bench, files):
    """Rounds of all that can do it, into an empty table; its sums are checked after each run."""
    database, functions = bench.database, bench.functions
    sums = exact_sums(*files)
    expected = expected_sums(sums)

    def loading(action, exactly=True):
        def run():
            database.reset()
            run = database.measured(action)
            if not run.problem:
                database.check(expected, exactly=exactly)
            return run
        return run

    def ours():
        execution, detected = functions.detect()
        return detected + functions.pivot(execution, detected.answer) + functions.upsert(execution, detected.answer)

    def our_run():
        # As in the life of a pipeline: an earlier execution succeeded, and has left its lock.
        bench.aws("clear")
        bench.aws("executions", listed=succeeded(LONG_AGO))
        lock = {"owner": new_execution("earlier")["id"], "started_at": "2001-09-09T01:46:40.000Z"}
        bench.aws("put_text", key="state/bench/lock.json", text=json.dumps(lock))
        for file in files:
            bench.aws("put_file", key=f"{PREFIX}{file.name}", path=str(file), times=1)
        return loading(ours)()

    contenders = {"limit_pivot + psql_temp": loading(lambda: limit(bench, *files) + database.limit(bench.work / "limit.csv")),
                  "sluice": our_run}
    for title, peer in bench.peers("job").items():
        action = lambda peer=peer: command([*peer, *files], bench.work / "peer.out", env=bench.environment)
        contenders[title] = loading(action, exactly=False)
    results = rounds(bench.rounds if bench.quick else max(bench.rounds, 11), contenders)
    bench.aws("executions", listed=[])
    return results


def expected_sums(sums):
    """What `Database.sums` must find."""
    first, totals = date(2000, 1, 1), [Decimal(0)] * 3
    for day, (learning, work) in sums.items():
        days = (date.fromisoformat(day) - first).days
        for i, value in enumerate((learning, work, (3 * learning + work) * (days % 1009))):
            totals[i] += value * 10_000
    return [Decimal(len(sums)), *totals]

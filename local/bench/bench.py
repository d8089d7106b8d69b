#!/usr/bin/env python3
"""Measures the functions beside physical limits and other tools, and says which bars are met. One command:

    DATABASE_URL=postgres://user@127.0.0.1:5432/bench python bench.py --functions FOLDER --data FOLDER --out FILE.md

The functions' own binaries run as Lambda runs them, one process each, against a fake AWS, `local/src/fake_aws`; PostgreSQL is
a real one, on this machine, and the database is changed at will. `local/requirements/peers.txt` has the other tools; those
that are not installed are left out, and named. Exit code 1: a result was wrong, or one of ours did not come. A missed bar is none.

    pivot      the core on a local file          upsert   a million rows into a table with half of their dates
    function   the function, the same over HTTP  noop     the same rows once more
    memory     its peak as the file grows        detect   a listing of a million objects
    start      cold starts                       modes    words of files, and what they come to
    job        everything, on small files            copy     a table into another database, narrow and wide rows
    window     a day of a table, twice               windows  thirty days, one after the other and four at a time
    export     a table of MySQL into parts in S3   shapes   what only the general way of the core knows
    rows       a million rows by key, in each mode

Environment: DATABASE_URL; PG_BIN, the folder of psql; PG_PID, the server's process, found out without it; DUCKDB_PYTHON, a
Python whose duckdb has the postgres extension, if this one's has not; MYSQL_URL, and MYSQL_CLIENTS, a folder into which Debian's
packages of libmariadb and of the client were unpacked, if they are not installed.

    copyformat.py  data.py  limit.c  limit_export.c  formats, inputs, and the limits
    runtime.py  functions.py                         Lambda, and the functions' processes
    database.py  tls.py                              PostgreSQL, and its TLS
    peers.py  measure.py                             the other tools; rounds and tables
    pivoting.py  upserting.py  modes.py  shapes.py  plain_upsert.py  running.py  copying.py
    exporting.py                                     the parts
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import copying
import exporting
import modes
import pivoting
import plain_upsert
import running
import shapes
import upserting
from database import Database
from functions import FakeAws, Functions
from measure import Report, Wrong, attempt, say

FOLDER = Path(__file__).resolve().parent
PARTS = {
    "pivot": pivoting.pivot, "function": pivoting.function, "memory": pivoting.memory,
    "upsert": upserting.upsert, "noop": upserting.noop, "modes": modes.modes,
    "detect": running.detect, "start": running.start, "job": running.job,
    "copy": copying.copy, "window": copying.window, "windows": copying.windows,
    "export": exporting.export, "shapes": shapes.shapes, "rows": plain_upsert.rows,
}
NEED_DATABASE = {"upsert", "noop", "modes", "rows", "job", "copy", "window", "windows"}


class Bench:
    """What the parts share."""

    def __init__(self, given):
        self.quick, self.large, self.sample = given.quick, given.large, given.sample
        self.rounds = given.rounds or (1 if given.quick else 5)
        self.rows = given.rows or (50_000 if given.quick else 10_000_000)
        self.export_rows = given.rows or (20_000 if given.quick else 2_000_000)
        self.upsert_rows = given.upsert_rows or (5_000 if given.quick else 1_000_000)
        self.data = given.data.resolve()
        self.work = self.data / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.report = Report()
        url = os.environ.get("DATABASE_URL", "")
        # The one thread of the limit is all that the others get, too.
        self.environment = os.environ | {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self.limit = self.compile()
        self.available = self.ask_peers()
        self.aws = FakeAws(given.functions.resolve() / "local")
        self.job = json.loads(given.job)
        self.functions = Functions(given.functions.resolve(), self.aws, url, self.work, self.job)
        self.database = Database(url, os.environ.get("PG_BIN"), self.work) if url else None

    def compile(self):
        compiler, program = shutil.which("cc"), self.work / "limit"
        if not compiler:
            raise SystemExit("cc is not there: the limit cannot be compiled")
        subprocess.run([compiler, "-O3", "-march=native", "-o", program, FOLDER / "limit.c"], check=True)
        return program

    def ask_peers(self):
        """From a peer's name to its title and the Python that can run it."""
        peers, self.versions = {}, {}
        for python in filter(None, [sys.executable, os.environ.get("DUCKDB_PYTHON")]):
            told = json.loads(subprocess.check_output([python, FOLDER / "peers.py", "available"]))
            self.versions = told["versions"] | self.versions
            for name, peer in told["peers"].items():
                if name not in peers or not peers[name][1]:
                    peers[name] = peer["title"], python if peer["can"] else None
        return peers

    def peers(self, kind):
        """From title to command, of the peers of a part; those that are not installed are named in the document."""
        found = {name: peer for name, peer in self.available.items() if name.startswith(f"{kind}_")}
        missing = [title for title, python in found.values() if not python]
        if missing:
            self.report.add(f"Left out, not installed: {'; '.join(missing)}.", "")
        return {title: [python, str(FOLDER / "peers.py"), name] for name, (title, python) in found.items() if python}

    def inputs(self, kind, **options):
        """The folder of generated inputs; made once."""
        name = "-".join([kind, *(f"{key}{value}" for key, value in options.items())])
        folder = self.data / name
        if not folder.exists():
            say(f"  making {name}")
            flags = [f"--{key}" if value is True else f"--{key}={value}" for key, value in options.items()]
            unfinished = self.data / f"{name}.unfinished"
            subprocess.run([sys.executable, FOLDER / "data.py", kind, unfinished, *flags], check=True)
            unfinished.rename(folder)
        return folder

    def verify(self, name, run):
        """Runs something once, uncounted; says whether its result was right."""
        if problem := attempt(run).problem:
            self.report.failed(name, problem)
            self.report.add(f"{name}: {problem}", "")
        return not problem

    def heading(self):
        cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        versions = ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        self.report.add(
            "# Measured", "",
            f"- machine: {cpu.group(1) if cpu else os.uname().machine}, {os.cpu_count()} cores, Linux {os.uname().release}",
            f"- date: {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, load average {load} at the start",
            f"- PostgreSQL {self.database.version if self.database else 'not given'}, Python {sys.version.split()[0]}, {versions}",
            f"- rounds: {self.rounds}, interleaved; medians, ratios within a round; what is slow runs in the first round only",
            "- CPU: of the process, and after a plus sign of the database server, whose ended sessions are counted by 10 ms",
            "- peak: of the largest process; `<N` is below what can be read")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=Path, required=True, help="release binaries, the one of cargo local, and the examples")
    parser.add_argument("--job", required=True, help="JSON: what stands for Job, Prefix, Source, Shape and Target in the state machine file")
    parser.add_argument("--data", type=Path, required=True, help="keeps generated inputs")
    parser.add_argument("--out", type=Path, required=True, help="the document")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--rows", type=int, help="of the pivot, default 10,000,000, and of the export, default 2,000,000")
    parser.add_argument("--upsert-rows", type=int, help="default 1,000,000")
    parser.add_argument("--only", default=",".join(PARTS), help="some of the parts, with commas")
    parser.add_argument("--sample", type=Path, help="a CSV file for the job, or a folder of some")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: does all of it work?")
    parser.add_argument("--large", action="store_true", help="5 GB, too")
    given = parser.parse_args()
    parts = given.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(unknown)}")
    bench = Bench(given)
    bench.heading()
    for part in parts:
        bench.report.heading(f"{part}: {PARTS[part].__doc__}")
        if part in NEED_DATABASE and not bench.database:
            bench.report.add("Left out: no DATABASE_URL.", "")
            continue
        try:
            PARTS[part](bench)
        except (RuntimeError, Wrong) as problem:
            bench.report.failed("sluice", str(problem))
            bench.report.add(f"Did not come to its end: {problem}", "")
        given.out.write_text("\n".join(bench.report.lines) + "\n")
    bench.aws.close()
    bench.report.add("", f"Load average at the end: {os.getloadavg()[0]:.1f}.")
    given.out.write_text("\n".join(bench.report.lines) + "\n")
    sys.exit(bench.report.is_wrong)


if __name__ == "__main__":
    main()

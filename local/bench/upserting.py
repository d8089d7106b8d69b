"""The parts `upsert` and `noop`: from sums to the table."""
import csv
import json
import os
import shutil
from decimal import Decimal

import copyformat
from database import TABLE
from functions import new_execution
from measure import command, ratio, rounds

LIMIT = "psql_temp"
OURS = "sluice, upsert"
SLOW = ("pandas and to_sql, as people write it", "awswrangler", "dlt")
DLT_TABLE = "dlt_bench.pomodoro_day_catg"
MAX_WAL = 64 << 10  # the run's own row, and the catalogue's rows of a temporary table


class Rows:
    """The rows to load: as CSV, in the form that the pivot function leaves them in, and what they must come to."""

    def __init__(self, bench):
        folder = bench.inputs("upsert", rows=bench.upsert_rows)
        self.new, self.base, self.binary = folder / "new.csv", folder / "base.csv", folder / "new.copy"
        self.expected = list(map(Decimal, (folder / "expect.txt").read_text().split("|")))
        self.count = bench.upsert_rows
        self.prepare(bench)

    def prepare(self, bench):
        """Has the functions detect and pivot a small file, and then says that these rows are its sums."""
        small = bench.inputs("pivot", rows=1_000) / "part-000.csv"
        bench.aws("clear")
        bench.aws("put_file", key="input_data/part-000.csv", path=str(small), times=1)
        execution, detected = bench.functions.detect()
        self.detected = detected.answer
        part = bench.functions.pivot(execution, self.detected).answer["pivoted"]["key"]
        bench.aws("save", key=part, path=str(bench.work / "part"))
        self.is_binary = copyformat.is_binary((bench.work / "part").read_bytes())
        if self.is_binary and not self.binary.exists():
            self.encode()
        file = self.binary if self.is_binary else self.new
        etag = bench.aws("put_file", key=part, path=str(file), times=1)["etag"]
        result = self.detected["manifest"]["key"].replace("manifest.json", "result-00000.json")
        bench.aws("save", key=result, path=str(bench.work / "result.json"))
        document = json.loads((bench.work / "result.json").read_text())
        document["output"]["pivoted"]["etag"] = etag
        document["output"]["days"] = self.count
        bench.aws("put_text", key=result, text=json.dumps(document))

    def encode(self):
        with open(self.new, newline="") as rows, open(f"{self.binary}.part", "wb") as file:
            reader = csv.reader(rows)
            next(reader)
            copyformat.encode(reader, ["date", "numeric", "numeric"], file)
        os.rename(f"{self.binary}.part", self.binary)


def run_function(bench, rows):
    """Loads the rows as one more execution, which takes nothing to be loaded before it: that is what its manifest says."""
    outcome = bench.functions.upsert(new_execution(), rows.detected)
    if outcome.answer["rows_staged"] != rows.count:
        raise RuntimeError(f"staged {outcome.answer['rows_staged']} rows of {rows.count}")
    return outcome


def upsert(bench):
    """Rows of sums into a table that holds half of their dates, against psql and the peers."""
    rows, database = Rows(bench), bench.database
    form = "binary" if rows.is_binary else "CSV"
    bench.report.add(f"{rows.count:,} rows; ours come as {form}, the others' as CSV. The table is "
                     "made anew, vacuumed and checkpointed before each run, and its sums are checked after it. CPU is client + "
                     "server; wall is from the start of the process to its end, of ours to its answer.", "")

    def loading(action, table=TABLE, exactly=True, prepare=lambda: None):
        def run():
            database.reset(rows.base)
            prepare()
            run = database.measured(action)
            if not run.problem:
                database.check(rows.expected, table, exactly)
            return run
        return run

    first = loading(lambda: run_function(bench, rows))
    if not bench.verify(OURS, first):  # makes sluice.runs, too
        return
    contenders = {LIMIT: loading(lambda: database.limit(rows.new)), OURS: first}
    dlt_folder = bench.work / "dlt"
    environment = bench.environment | {"DLT_FOLDER": str(dlt_folder)}
    for title, peer in bench.peers("upsert").items():
        action = lambda peer=peer: command([*peer, rows.new], bench.work / "peer.out", env=environment)
        if title == "dlt":
            contenders[title] = loading(action, DLT_TABLE, False, lambda peer=peer: dlt_base(peer, rows, dlt_folder, environment))
        else:
            contenders[title] = loading(action, exactly=False)
    results = rounds(bench.rounds, contenders, SLOW)
    bench.report.results(results, LIMIT)
    for quantity, word in ("total", "CPU"), ("wall", "wall"):
        bench.report.bar(f"upsert, {word}", ratio(results, OURS, LIMIT, quantity), 1.05, f" x {LIMIT}")


def dlt_base(peer, rows, folder, environment):
    shutil.rmtree(folder, ignore_errors=True)
    command([*peer[:-1], "base_dlt", rows.base], env=environment)


def noop(bench):
    """The same rows once more, by another execution: what does the server write?"""
    rows, database = Rows(bench), bench.database
    database.reset(rows.base)
    run_function(bench, rows)
    table, dead, touched, wal = [], None, None, None
    for name, action in [(f"{OURS}, right after a checkpoint", lambda: run_function(bench, rows)),
                         (f"{OURS}, once more", lambda: run_function(bench, rows)),
                         (LIMIT, lambda: database.limit(rows.new))]:
        if not table:
            database.sql(f"vacuum (analyze) {TABLE};\ncheckpoint;")
        database.forget()
        place = database.sql("select pg_current_wal_insert_lsn()")
        transaction = database.sql("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint % (1::bigint << 32)")
        run = database.measured(action)
        database.check(rows.expected)
        wal_now = int(database.sql(f"select pg_current_wal_insert_lsn() - '{place}'::pg_lsn"))
        dead_now = int(database.sql(f"select n_dead_tup from pg_stat_user_tables where relid = '{TABLE}'::regclass"))
        touched_now = int(database.sql(
            f"select count(*) from {TABLE} where xmin::text::bigint >= {transaction} or xmax::text::bigint >= {transaction}"))
        table.append([name, f"{dead_now:,}", f"{touched_now:,}", f"{wal_now:,}", f"{run.total:.2f}", f"{run.wall:.2f}"])
        if name.startswith(OURS):
            dead, touched, wal = dead_now, touched_now, wal_now
    bench.report.add(f"{rows.count:,} rows that are all in the table as they are. A row is touched if a transaction wrote or "
                     "locked it. Right after a checkpoint the log holds whole pages.", "")
    bench.report.rows(["name", "dead tuples", "rows touched", "bytes of log", "CPU s", "wall s"], table)
    bench.report.bar("dead tuples", dead, 0, "")
    bench.report.bar("rows touched", touched, 0, "")
    bench.report.bar("log, the run's own row and the temporary table's in the catalogue", wal / 1024, MAX_WAL // 1024, " KiB")

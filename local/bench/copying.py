"""The parts `copy`, `window` and `windows`: a table of one database into another one, both on the same server."""
import concurrent.futures
import os
import time
import urllib.parse

import tls
from database import Database
from functions import Functions, new_execution
from measure import Run, Wrong, command, ratio, rounds, say

LIMIT = "psql, COPY to COPY"
OURS, COUNTED = "sluice, copy-table", "sluice, copy-table, counts only"
OVER_TLS = ", over TLS"
SOURCE = "bench_source"
WIDTH = 4
ROW_MIB, ROWS, ROW_OF_SEVERAL_MIB = 200, 4, 60
PIPE = 'set -o pipefail; "$0" -Xq -d "$1" -c "$2" | "$0" -Xq -v ON_ERROR_STOP=1 -d "$3" -c "$4"'

# The first day of all rows, and the range that one window has in the parts that copy everything at once.
START, ALL = "2010-01-01", ("2010-01-01", "2020-01-01")
NARROW = """select i as id, 'User ' || substr(md5(i::text), 1, 12) as name, 'user' || i || '@example.com' as email,
    timestamptz '2010-01-01 00:00Z' + i * interval '1 s' as created_at, round((i * 7919 % 100000)::numeric / 100, 2) as score
    from generate_series(1::bigint, {rows}) i"""
WIDE = """select i as id, timestamptz '2010-01-01 00:00Z' + i * interval '1 s' as created_at, 'customer ' || md5(i::text) as a1,
    md5((i * 2)::text) as a2, md5((i * 3)::text) || md5((i * 5)::text) as a3, repeat(md5((i * 7)::text), 3) as a4,
    (i % 1000)::int as b1, (i % 7)::smallint as b2, i * 7919 % 100003 as b3, i * 1000003 as b4, (i % 10000) / 100.0 as c1,
    round((i * 7919 % 1000000)::numeric / 100, 2) as c2, i::numeric / 7 as c3, i / 3::float8 as c4,
    timestamp '2020-01-01' + i * interval '11 s' as d2, date '2020-01-01' + (i % 3000)::int as d3, md5(i::text)::uuid as e1,
    i % 2 = 0 as e2, jsonb_build_object('i', i, 't', md5(i::text), 'n', jsonb_build_array(1, i, null)) as f1,
    array[i, i + 1, i + 2] as g1, array[md5(i::text), null] as g2, case when i % 3 > 0 then 'x' || i end as h1, null::text as h2,
    null::int as h3, null::timestamptz as h4, i % 100 as h5
    from generate_series(1::bigint, {rows}) i"""
# `rows` a day.
DAYS = """select day * {rows} + i as id, 'User ' || substr(md5(i::text), 1, 12) as name, 'user' || i || '@example.com' as email,
    timestamptz '2010-01-01 00:00Z' + day * interval '1 day' + i * interval '0.8 s' as created_at,
    round((i * 7919 % 100000)::numeric / 100, 2) as score
    from generate_series(0::bigint, {days} - 1) day, generate_series(1::bigint, {rows}) i"""
LARGE = """select i as id, timestamptz '2010-01-01 01:00Z' as created_at, repeat('x', {size}) as body
    from generate_series(1::bigint, {rows}) i"""


class Pair:
    """The two databases. The source's tables are made once; the target's anew for each run, and never vacuumed meanwhile."""

    def __init__(self, bench):
        self.bench, self.target = bench, bench.database
        self.url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{SOURCE}").geturl()
        if not self.target.sql(f"select 1 from pg_database where datname = '{SOURCE}'"):
            self.target.sql(f"create database {SOURCE}")
        self.source = Database(self.url, os.environ.get("PG_BIN"), bench.work)
        bench.functions.environment["SOURCE_DATABASE_URL"] = self.url
        bench.aws("clear")

    def make(self, table, select):
        """A table of the source, indexed by its time; that of an earlier bench, if there is one."""
        if not self.source.sql(f"select to_regclass('{table}')"):
            say(f"  making {table}")
            self.source.sql(f"create table {table} as {select};\nalter table {table} add primary key (id);\n"
                            f"create index on {table} (created_at);")
        self.source.sql(f"vacuum (analyze) {table};")
        self.columns = self.source.sql(f"""select string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', '
            order by attnum) from pg_attribute where attrelid = '{table}'::regclass and attnum > 0""")

    def reset(self, table, is_indexed):
        """An empty table, of which nothing is known."""
        indexes = f"alter table {table} add primary key (id);\ncreate index on {table} (created_at);\n" if is_indexed else ""
        self.target.sql(f"drop table if exists {table};\ncreate table {table} ({self.columns}) with (autovacuum_enabled = false);\n"
                        f"{indexes}do $$ begin if to_regclass('sluice.windows') is not null then delete from sluice.windows; end if; "
                        "end $$;\ncheckpoint;")

    def check(self, table):
        """Demands that both tables hold the same rows."""
        query = f"select count(*), sum(hashtextextended(t::text, 0)::numeric) from {table} t"
        read, written = self.source.sql(query), self.target.sql(query)
        if read != written:
            raise Wrong(f"{table}: {read} at the source, {written} at the target")

    def measured(self, action):
        """As the target's own, with the sessions of both databases."""
        self.source.settle()
        return self.target.measured(lambda: self.ended(action()))

    def ended(self, run):
        self.source.settle()
        return run

    def psql(self, table, reached=str):
        """`reached` makes the address that is gone to of one."""
        out, into = f"copy (select * from {table}) to stdout (format binary)", f"copy {table} from stdin (format binary)"
        return command(["bash", "-c", PIPE, self.target.psql, reached(self.source.url), out, reached(self.target.url), into])

    def job(self, table, window, verify="checksum", key=()):
        """A job's spec."""
        return {"source": {"schema": "public", "table": table},
                "target": {"schema": "public", "table": table, "key": list(key), "verify": verify},
                "windows": {"cursor": "created_at", "zone": "UTC", "window": window, "start": START}}

    def plan(self, job, days):
        """An execution's payload for its windows, and how many there are."""
        payload = job | {"execution": new_execution()}
        trigger = {"from": days[0], "to": days[1]}
        planned = self.bench.functions.run("copy-table", payload | {"action": "plan", "trigger": trigger}).answer
        return payload | {"action": "copy", "plan": planned["plan"]}, planned["window_count"]

    def copy(self, job, days, expected, **how):
        """Plans, and copies one window."""
        return self.copy_planned(self.plan(job, days)[0], expected, **how)

    def copy_planned(self, payload, expected, **how):
        """One window, from the start of the process to its answer."""
        outcome = self.bench.functions.run("copy-table", payload | {"window": {"index": 0}}, **how)
        if outcome.answer["rows"] != expected:
            raise Wrong(f"{outcome.answer['rows']} rows of {expected} are copied")
        return outcome

    def ours(self, table, job, days, expected, is_indexed=False):
        """The contender that copies one window; what its plan takes is not measured."""
        return self.copying(table, lambda payload: self.copy_planned(payload, expected), is_indexed,
                            lambda: [self.plan(job, days)[0]])

    def copying(self, table, action, is_indexed=False, prepare=list):
        """A contender: into an empty table, checked afterwards. `prepare` makes the arguments of `action`."""
        def run():
            self.reset(table, is_indexed)
            prepared = prepare()
            run = self.measured(lambda: action(*prepared))
            if not run.problem:
                self.check(table)
            return run
        return run

    def peers(self, table, *more):
        environment = self.bench.environment | {"SOURCE_DATABASE_URL": self.url}
        return {title: self.copying(table, lambda peer=peer: command([*peer, table, *more], self.bench.work / "peer.out",
                                                                     env=environment), bool(more))
                for title, peer in self.bench.peers("days" if more else "copy").items()}


def copy(bench):
    """Rows of one window into an empty table without an index: narrow ones, and wide ones."""
    pair = Pair(bench)
    for table, select, rows in [("narrow", NARROW, 20_000 if bench.quick else 1_000_000),
                                ("wide", WIDE, 10_000 if bench.quick else 600_000)]:
        table = f"{table}_{rows}"
        pair.make(table, select.format(rows=rows))
        bench.report.add("", f"{rows:,} rows, {table.partition('_')[0]}. CPU is client + server; wall is from the start of the process "
                         "to its end, of ours to its answer; the plan is made before. Both databases are on one server.", "")
        ours = {name: pair.ours(table, pair.job(table, "120 months", verify), ALL, rows)
                for name, verify in [(OURS, "checksum"), (COUNTED, "count")]}
        if not bench.verify(OURS, ours[OURS]):  # makes sluice.windows, too
            return
        peers = pair.peers(table)
        results = rounds(bench.rounds, {LIMIT: pair.copying(table, lambda: pair.psql(table))} | ours | peers, tuple(peers))
        bench.report.results(results, LIMIT)
        bar = lambda what, name, quantity, most: bench.report.bar(what, ratio(results, name, LIMIT, quantity), most, f" x {LIMIT}")
        if table.startswith("narrow"):
            bar("narrow, counts only, CPU", COUNTED, "total", 1.05)
            bar("narrow, counts only, wall", COUNTED, "wall", 1.05)
            bar("narrow, verified, CPU", OURS, "total", 1.4)
        else:
            bar("wide, counts only, CPU of the client", COUNTED, "cpu", 0.6)
            bar("wide, counts only, CPU", COUNTED, "total", 1.05)
        if table.startswith("narrow"):
            over_tls(bench, pair, table, rows)
    memory(bench, pair)


def over_tls(bench, pair, table, rows):
    """The same, both ends verified; beside psql over the same TLS."""
    limit, ours = LIMIT + OVER_TLS, {name + OVER_TLS: verify for name, verify in [(OURS, "checksum"), (COUNTED, "count")]}
    environment, results = bench.functions.environment, {}
    try:
        with tls.offered(pair.target) as verified:
            urls = {name: verified(environment[name]) for name in ("SOURCE_DATABASE_URL", "DATABASE_URL")}

            def copy_over_tls(payload):
                before = {name: environment[name] for name in urls}
                environment.update(urls)
                try:
                    return pair.copy_planned(payload, rows)
                finally:
                    environment.update(before)

            contenders = {limit: pair.copying(table, lambda: pair.psql(table, verified))}
            planned = lambda verify: [pair.plan(pair.job(table, "120 months", verify), ALL)[0]]  # noqa: E731
            contenders |= {name: pair.copying(table, copy_over_tls, prepare=lambda verify=verify: planned(verify))
                           for name, verify in ours.items()}
            results = rounds(bench.rounds, contenders)
    except RuntimeError as failure:
        bench.report.add("", f"Over TLS: not measured: {failure}", "")
    else:
        bench.report.add("", "The same rows over TLS 1.3, each end's certificate and name verified.", "")
        bench.report.results(results, limit)
    for quantity, word in ("total", "CPU"), ("wall", "wall"):
        bench.report.bar(f"narrow over TLS, counts only, {word}", ratio(results, COUNTED + OVER_TLS, limit, quantity), 1.05, f" x {limit}")


def memory(bench, pair):
    """Peaks above the idle function: of few and many rows, and of large ones."""
    counts = [10_000, 20_000] if bench.quick else [1_000_000, 10_000_000]
    size, of_several = (10, 10) if bench.quick else (ROW_MIB, ROW_OF_SEVERAL_MIB)
    cases = [(f"{count:,} rows", f"narrow_{count}", NARROW.format(rows=count), count) for count in counts]
    cases += [(f"{rows} row{'s' * (rows > 1)} of {mib} MiB", f"large_{rows}_{mib}", LARGE.format(rows=rows, size=mib << 20), rows)
              for rows, mib in [(1, size), (ROWS, of_several)]]
    lines, above = [], []
    for name, table, select, rows in cases:
        pair.make(table, select)
        pair.reset(table, False)
        outcome = pair.copy(pair.job(table, "120 months"), ALL, rows, waits=True)
        above.append(outcome.peak - outcome.idle)
        lines.append([name, f"{outcome.idle:.1f}", f"{outcome.peak:.1f}", f"{above[-1]:.1f}"])
    bench.report.add("")
    bench.report.rows(["copied and verified", "idle MiB", "peak MiB", "above idle"], lines)
    few, many, one, several = above
    bench.report.bar(f"memory above the idle function at {counts[-1]:,} rows", many, 8, " MiB")
    bench.report.bar(f"the same, more than at {counts[0]:,} rows", many - few, 1, " MiB")
    bench.report.bar("memory above the idle function at a large row", one / size, 2.2, " x the row")
    bench.report.bar(f"memory above the idle function at {ROWS} large rows", several / of_several, 3.1, " x a row")


def window(bench):
    """A day of ten thousand rows, verified; and the same once more."""
    pair, rows = Pair(bench), 1_000 if bench.quick else 10_000
    table, day, key = f"day_{rows}", (START, "2010-01-02"), ["id"]
    pair.make(table, DAYS.format(days=1, rows=rows))
    ours = pair.ours(table, pair.job(table, "1 day", key=key), day, rows, True)
    if not bench.verify(OURS, ours):
        return
    results = rounds(bench.rounds, {LIMIT: pair.copying(table, lambda: pair.psql(table), True), OURS: ours})
    bench.report.add(f"{rows:,} rows, a primary key and an index on the time.", "")
    bench.report.results(results, LIMIT)
    for quantity, word, most in ("total", "CPU", 1.1), ("wall", "wall", 1.8):
        bench.report.bar(f"a window of {rows:,}, {word}", ratio(results, OURS, LIMIT, quantity), most, f" x {LIMIT}")
    pair.target.sql(f"vacuum (analyze) {table};\ncheckpoint;")
    job = pair.job(table, "1 day", key=key)
    pair.copy(job, day, rows)  # right after a checkpoint, the log would hold whole pages
    place = pair.target.sql("select pg_current_wal_insert_lsn()")
    outcome = pair.copy(job, day, rows)
    if outcome.answer["outcome"] != "unchanged":
        raise Wrong(f"an equal window is {outcome.answer['outcome']}")
    log = int(pair.target.sql(f"select pg_current_wal_insert_lsn() - '{place}'::pg_lsn"))
    dead = int(pair.target.sql(f"select n_dead_tup from pg_stat_user_tables where relid = '{table}'::regclass"))
    bench.report.bar("the same window once more, log", log / 1e6, 0.2, " MB")
    bench.report.bar("the same window once more, dead rows", dead, 0, "")


def windows(bench):
    """Thirty days into a table with two indexes, one after the other and four at a time, each verified."""
    pair, rows = Pair(bench), 500 if bench.quick else 100_000
    table, days = f"days_{rows}", (START, "2010-01-31")
    pair.make(table, DAYS.format(days=30, rows=rows))
    job = pair.job(table, "1 day", key=["id"])
    # Each has a runtime of its own, as each instance of a function on Lambda has.
    folders = [bench.work / f"instance-{number}" for number in range(WIDTH)]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    functions = bench.functions
    instances = [Functions(functions.folder, bench.aws, os.environ["DATABASE_URL"], folder, bench.job) for folder in folders]
    for instance in instances:
        instance.environment["SOURCE_DATABASE_URL"] = pair.url

    def all_days(width, payload, count):
        begun, idle = time.monotonic(), list(instances[:width])

        def one(index):
            instance = idle.pop()
            try:
                return instance.run("copy-table", payload | {"window": {"index": index}})
            finally:
                idle.append(instance)

        with concurrent.futures.ThreadPoolExecutor(width) as pool:
            outcomes = list(pool.map(one, range(count)))
        copied = sum(outcome.answer["rows"] for outcome in outcomes)
        if (count, copied) != (30, 30 * rows):
            raise Wrong(f"{copied} rows of {count} windows are copied")
        return Run(time.monotonic() - begun, sum(outcome.cpu for outcome in outcomes), max(outcome.peak for outcome in outcomes))

    serial, parallel = f"{OURS}, one at a time", f"{OURS}, {WIDTH} at a time"
    ours = {name: pair.copying(table, lambda *planned, width=width: all_days(width, *planned), True, lambda: pair.plan(job, days))
            for name, width in [(serial, 1), (parallel, WIDTH)]}
    if not bench.verify(OURS, ours[serial]):
        return
    peers = pair.peers(table, START, "30")
    results = rounds(bench.rounds, {LIMIT: pair.copying(table, lambda: pair.psql(table), True)} | ours | peers, tuple(peers))
    bench.report.add(f"30 days of {rows:,} rows. psql copies them all by one command. Of ours each window is a process of its own.", "")
    bench.report.results(results, LIMIT)
    bench.report.bar("30 windows one after the other, CPU", ratio(results, serial, LIMIT, "total"), 1.6, f" x {LIMIT}")
    bench.report.bar(f"30 windows, {WIDTH} at a time, wall", ratio(results, parallel, LIMIT, "wall"), 1.2, f" x {LIMIT}")

"""The part `export`: a table of MySQL into CSV and into parts in S3, whole and by a day."""
import json
import os
import shutil
import subprocess
import urllib.parse
from pathlib import Path

from functions import BUCKET, new_execution
from measure import Wrong, command, ratio, rounds, say

FOLDER = Path(__file__).parent
OURS, NOWHERE = "sluice, export-table", "sluice, export_csv"
LIMIT, PACKED = "libmariadb, CSV", "libmariadb, CSV, zstd -1"
CLIENT, CLIENT_PACKED = "mysql --quick", "mysql --quick, gzip -1"
SCHEMA, DAYS = "bench", 400
# How many rows are made at once.
MADE = 1 << 20
START = "2020-01-01 00:00:00"
# One day of them, and the same as people write it.
DAY = ("2020-06-01 00:00:00", "2020-06-02 00:00:00")

# The most that CSV which nobody keeps may cost, times the limit and times the client: of a row of few bytes, what a row costs
# whatever its length is the most.
MOST = {"wide": (2.5, 0.6), "nps": (6, 1.4)}

TEXT = lambda size: {"text": {"bytes": size}}  # noqa: E731
INTEGER = {"integer": {"least": -2**63, "most": 2**63 - 1}}
TABLES = {
    "wide": (
        "118 bytes",
        "id bigint not null primary key, name varchar(40), email varchar(60), amount decimal(12, 2), created_at timestamp not null, "
        "updated_at datetime(6), note text, flag tinyint, key (created_at)",
        "n, concat('User ', substr(md5(n), 1, 12)), concat('user', n, '@example.com'), (n * 7919 % 1000000) / 100, {moment}, "
        "'2020-01-01' + interval n * 7 microsecond, concat('said \"', substr(md5(n * 3), 1, 20), '\"'), n % 2",
        {"id": INTEGER, "name": TEXT(160), "email": TEXT(240), "amount": {"decimal": {"precision": 12, "scale": 2}},
         "created_at": "timestamp", "updated_at": "timestamp", "note": TEXT(65535), "flag": INTEGER},
    ),
    "nps": (
        "30 bytes",
        "id int not null primary key, created_at timestamp not null, score smallint, key (created_at)",
        "n, {moment}, if(n % 10 = 0, null, n % 11)",
        {"id": INTEGER, "created_at": "timestamp", "score": INTEGER},
    ),
}


class Mysql:
    """The server, its command-line client and the limit."""

    def __init__(self, bench):
        self.bench = bench
        url = urllib.parse.urlsplit(os.environ["MYSQL_URL"])
        self.place = ["127.0.0.1", str(url.port or 3306), url.username]
        self.environment = bench.environment | {"MYSQL_PWD": url.password or "", "MYSQL_URL": self.url(url, SCHEMA)}
        root = Path(os.environ.get("MYSQL_CLIENTS", "/"))
        found = (shutil.which(name, path=f"{root}/usr/bin:{os.environ['PATH']}") for name in ("mariadb", "mysql"))
        self.client = next(filter(None, found), None)
        if not self.client:
            raise RuntimeError("there is no client mysql or mariadb, one of the limits")
        self.libraries = next((path.parent for path in root.glob("usr/lib/*/libmariadb.so*")), None)
        if self.libraries:
            self.environment["LD_LIBRARY_PATH"] = str(self.libraries)
        self.limit = self.compile(root)
        bench.functions.environment["MYSQL_URL"] = self.environment["MYSQL_URL"]
        self.sql(f"create database if not exists {SCHEMA}", "mysql")

    @staticmethod
    def url(url, schema):
        return url._replace(path=f"/{schema}").geturl()

    def compile(self, root):
        headers = next((path.parent for path in root.glob("usr/include/*/mysql.h")), None)
        if not headers or not self.libraries:
            raise RuntimeError("libmariadb and its headers are not there, one of the limits")
        program = self.bench.work / "limit_export"
        subprocess.run([shutil.which("cc"), "-O3", "-march=native", "-I", headers, "-o", program, FOLDER / "limit_export.c",
                        "-L", self.libraries, "-l:libmariadb.so.3"], check=True)
        return program

    def sql(self, text, schema=SCHEMA):
        host, port, user = self.place
        arguments = [self.client, "-h", host, "-P", port, "-u", user, "-BN", schema]
        done = subprocess.run(arguments, input=text, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"mysql: {done.stderr.strip()}")
        return done.stdout.strip()

    def make(self, name, rows):
        """A table of so many rows over the days, by its name; that of an earlier bench, if there is one."""
        _, columns, values, _ = TABLES[name]
        table = f"{name}_{rows}"
        if self.sql(f"select count(*) from information_schema.tables where table_schema = '{SCHEMA}' and table_name = '{table}'") == "0":
            say(f"  making {table}")
            self.numbers()
            moment = f"timestamp '{START}' + interval floor(n * {DAYS * 86_400 - 1} / {rows}) second"
            self.sql(f"drop table if exists {table}_unfinished;\ncreate table {table}_unfinished ({columns}) default charset utf8mb4;")
            for before in range(0, rows, MADE):
                # A transaction each: what it could undo is kept to its end.
                numbers = f"(select n + {before} as n from numbers where n <= {min(MADE, rows - before)}) as numbers"
                self.sql(f"set time_zone = '+00:00', sql_mode = '';\n"
                         f"insert into {table}_unfinished select {values.format(moment=moment)} from {numbers};")
            self.sql(f"rename table {table}_unfinished to {table};\nanalyze table {table};")
        return table

    def numbers(self):
        self.sql("create table if not exists numbers (n bigint not null primary key); insert ignore into numbers values (1);")
        have = int(self.sql("select max(n) from numbers"))
        while have < MADE:
            self.sql(f"insert into numbers select n + {have} from numbers where n <= {have}")
            have *= 2

    def rows_read(self):
        """How many rows the server has read for all sessions: what a query cost it, whatever else the machine does."""
        names = "'Handler_read_next', 'Handler_read_rnd_next', 'Handler_read_key'"
        lines = self.sql(f"show global status where variable_name in ({names})").splitlines()
        return sum(int(line.split("\t")[1]) for line in lines)

    def to_csv(self, query, packer=None):
        """The limit: CSV that nobody keeps, packed or not."""
        limit = [str(self.limit), *self.place, SCHEMA, query]
        if not packer:
            return command([*limit, os.devnull], env=self.environment)
        return self.piped(limit + ["/dev/stdout"], packer)

    def by_client(self, query, packer=None):
        host, port, user = self.place
        client = [self.client, "--quick", "-B", "-h", host, "-P", port, "-u", user, "-e", query, SCHEMA]
        return self.piped(client, packer) if packer else command(client, env=self.environment)

    def piped(self, arguments, packer):
        return command(["bash", "-c", f'set -o pipefail; "$@" | {packer}', "bash", *arguments], env=self.environment)


class Export:
    """A table on its way through the function."""

    def __init__(self, bench, mysql, name, rows):
        self.bench, self.mysql, self.rows = bench, mysql, rows
        self.size, _, _, self.forms = TABLES[name]
        self.table = mysql.make(name, rows)
        self.query = f"select {', '.join(self.forms)} from {self.table}"

    def plan(self, bounds=None):
        """What `plan-export` would have written."""
        return {
            "source": [SCHEMA, self.table], "target": ["public", self.table], "mode": "upsert" if bounds else "replace",
            "columns": [{"name": name, "read": "plain", "form": form} for name, form in self.forms.items()], "key": ["id"],
            "version": None, "cursor": "created_at" if bounds else None, "null_marker": "null0123456789abcdef", "max_shrink_percent": 50,
            "policies": {"zero_dates": "fail", "too_long": "fail", "nul": "fail"}, "windows": [{"window": None, "bounds": bounds}],
        }

    def put_plan(self, bounds):
        key = f"intermediate_data/bench/{self.table}/plan.json"
        return {"bucket": BUCKET, "key": key, **self.bench.aws("put_text", key=key, text=json.dumps(self.plan(bounds)))}

    def to_csv(self):
        """The function's own code into CSV that nobody keeps, by a program of its own."""
        plan, out = self.bench.work / "plan.json", self.bench.work / "read.json"
        plan.write_text(json.dumps(self.plan()))
        run = command([self.bench.functions.folder / "examples" / "export_csv", plan], out, env=self.mysql.environment)
        if not run.problem:
            self.check(json.loads(out.read_text()), self.rows)
        return run

    def check(self, export, rows, bounds=None):
        """What was read is what MySQL says."""
        if export["rows"] != rows:
            raise Wrong(f"{export['rows']} rows")
        condition = f" where created_at >= '{bounds[0]}' and created_at < '{bounds[1]}'" if bounds else ""
        found = self.mysql.sql(f"set time_zone = '+00:00'; select sum(id), count({list(self.forms)[-1]}) from {self.table}{condition}")
        if found.split("\t") != [export["columns"][0]["sum"], str(export["columns"][-1]["values"])]:
            raise Wrong(f"{export['columns']} are not MySQL's {found}")

    def run(self, bounds=None, rows=None, **how):
        """One call of the function. What it says it has read is compared with what MySQL says."""
        self.bench.aws("clear")
        event = {"action": "export", "execution": new_execution(), "plan": self.put_plan(bounds), "window": {"index": 0}, "export": None}
        outcome = self.bench.functions.run("export-table", event, **how)
        answer = outcome.answer
        if not answer["is_done"]:
            raise Wrong(f"one call was not enough: {answer['rows']} rows")
        saved = self.bench.work / "export.json"
        self.bench.aws("save", key=answer["export"]["key"], path=str(saved))
        self.check(json.loads(saved.read_text()), self.rows if rows is None else rows, bounds)
        outcome.bytes = answer["bytes"]
        return outcome

    def peers(self):
        environment = self.mysql.environment | self.bench.functions.aws | {"BENCH_BUCKET": BUCKET, "BENCH_FILE": str(self.bench.work / "peer.csv.gz")}
        return {title: lambda peer=peer: command([*peer, self.table], self.bench.work / "peer.out", env=environment)
                for title, peer in self.bench.peers("export").items()}


def export(bench):
    """A table of MySQL into packed parts in S3, beside the C library, the server's own client and other tools."""
    if "MYSQL_URL" not in os.environ:
        bench.report.add("Left out: no MYSQL_URL.", "")
        return
    mysql = Mysql(bench)
    bench.report.add(f"Server: {mysql.sql('select version()')}, on this machine, without TLS. CPU is the client's alone: the server's is the "
                     "same for all. Ours reads, checks, counts, adds up, packs and sends; S3 is a process that answers at once.", "")
    for name in TABLES:
        table(bench, mysql, name)
    memory(bench, mysql)
    day(bench, mysql)


def table(bench, mysql, name):
    rows = bench.export_rows
    ours = Export(bench, mysql, name, rows)
    bench.report.add(f"{rows:,} rows of about {ours.size}.", "")
    if not bench.verify(OURS, ours.run) or not bench.verify(NOWHERE, ours.to_csv):
        return
    peers = ours.peers()
    contenders = {
        LIMIT: lambda: mysql.to_csv(ours.query),
        PACKED: lambda: mysql.to_csv(ours.query, "zstd -1 -q -c > /dev/null"),
        CLIENT: lambda: mysql.by_client(ours.query),
        CLIENT_PACKED: lambda: mysql.by_client(ours.query, "gzip -1 -c > /dev/null"),
        NOWHERE: ours.to_csv,
        OURS: ours.run,
    }
    results = rounds(bench.rounds, contenders | peers, tuple(peers))
    bench.report.results(results, LIMIT)
    bar = lambda who, against, most: bench.report.bar(  # noqa: E731
        f"{name}, {who}, CPU", ratio(results, who, against, "cpu"), most, f" x {against}")
    for against, most in zip((LIMIT, CLIENT), MOST[name]):
        bar(NOWHERE, against, most)
    # What parts in S3 may cost was set by rows of 118 bytes. Of shorter ones, of which there is less to pack, it is told.
    for against, most in ((PACKED, 1.5), (CLIENT_PACKED, 0.5)):
        if name == "wide":
            bar(OURS, against, most)
        elif found := ratio(results, OURS, against, "cpu"):
            bench.report.add(f"- {name}, {OURS}, CPU: {found:.3g} x {against}")
    done = [run for run in results[OURS] if not run.problem]
    if done:
        bench.report.add(f"In the bucket: {done[-1].bytes / 1e6:,.1f} MB; {done[-1].cpu * 1e9 / rows:,.0f} ns of CPU a row.", "")


def memory(bench, mysql):
    """Peaks as the table grows."""
    counts = [bench.export_rows // 4, bench.export_rows] if bench.quick else [500_000, 5_000_000] + [50_000_000] * bench.large
    lines, peaks = [], []
    for count in counts:
        outcome = Export(bench, mysql, "wide", count).run(waits=True)
        peaks.append(outcome.peak)
        lines.append([f"{count:,} rows", f"{outcome.idle:.1f}", f"{outcome.peak:.1f}", f"{outcome.bytes / 1e6:,.1f}"])
    bench.report.rows(["exported", "idle MiB", "peak MiB", "MB in the bucket"], lines)
    bench.report.bar("peak memory at every size", max(peaks), 64, " MiB")


def day(bench, mysql):
    """One day of the table, by its window: rows that the server reads for it."""
    ours = Export(bench, mysql, "wide", bench.export_rows)
    condition = f"created_at >= '{DAY[0]}' and created_at < '{DAY[1]}'"
    utc = "set time_zone = '+00:00'; "
    rows = int(mysql.sql(f"{utc}select count(*) from {ours.table} where {condition}"))
    if not rows:
        raise Wrong("the day has no row")

    def read(action):
        before, own = mysql.rows_read(), mysql.rows_read()
        action()
        return mysql.rows_read() - own - (own - before)

    scan = read(lambda: mysql.sql(f"{utc}{ours.query} where {condition}"))
    by_date = read(lambda: mysql.sql(f"{utc}{ours.query} where date(created_at) = '{DAY[0][:10]}'"))
    # Of ours without the query that compares.
    compared = read(lambda: mysql.sql(f"{utc}select sum(id), count(flag) from {ours.table} where {condition}"))
    window = read(lambda: ours.run(DAY, rows)) - compared
    bench.report.add(f"A day of {rows:,} rows out of {bench.export_rows:,}: the server reads {scan:,} rows for the range, {window:,} for ours, "
                     f"{by_date:,} for `date(created_at) =`.", "")
    bench.report.bar("rows read for a day, beside a range scan", window / max(scan, 1), 1.1, " x")

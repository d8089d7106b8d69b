"""The PostgreSQL that is loaded, through `psql`: its target table, its check sums, its CPU, its write-ahead log."""
import copy
import os
import shutil
import subprocess
import time
import urllib.parse
from decimal import Decimal
from pathlib import Path

from measure import Wrong, command, cpu_of

TABLE = "pomodoro_day_catg"
TICK = os.sysconf("SC_CLK_TCK")

# Nothing but what is measured may work in the table meanwhile, hence no autovacuum.
CREATE = f"""
drop table if exists {TABLE}, tmp_{TABLE}, duck_stage;
drop schema if exists dlt_bench cascade;
drop schema if exists dlt_bench_staging cascade;
create table {TABLE} (date date not null unique, learning_minutes numeric not null, work_minutes numeric not null)
    with (autovacuum_enabled = false);
"""
ON_CONFLICT = """on conflict (date) do update set
    learning_minutes = excluded.learning_minutes, work_minutes = excluded.work_minutes"""
SUMS = """
select count(*), coalesce(sum(l), 0), coalesce(sum(w), 0), coalesce(sum((3 * l + w) * ((date - date '2000-01-01') % 1009)), 0)
from (select date, learning_minutes::numeric * 10000 as l, work_minutes::numeric * 10000 as w from {table}) as t;
"""


# Without the record of what is loaded into a table, the next load is the first one.
FORGET = """
do $$ begin
    if to_regclass('sluice.targets') is not null then delete from sluice.targets; end if;
end $$;
"""


class Database:
    def __init__(self, url, pg_bin, work):
        # The password goes by the environment: everybody on the machine can read a program's arguments.
        parts = urllib.parse.urlsplit(url)
        if parts.password:
            os.environ["PGPASSWORD"] = urllib.parse.unquote(parts.password)
            url = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()
        self.url, self.psql = url, shutil.which("psql", path=pg_bin or os.environ["PATH"])
        if not self.psql:
            raise SystemExit("psql is not there: give its folder as PG_BIN")
        self.name, self.work = urllib.parse.urlsplit(url).path.strip("/"), work
        self.version = self.sql("show server_version")
        self.postmaster = int(os.environ.get("PG_PID") or self.find_postmaster())

    def find_postmaster(self):
        child = self.sql("select pid from pg_stat_activity where backend_type = 'checkpointer'")
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1]

    def at(self, url):
        """The same at another address."""
        other = copy.copy(self)
        other.url = url
        return other

    def command(self, file):
        return [self.psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-f", file]

    def sql(self, text):
        environment = os.environ | {"PGOPTIONS": "-c client_min_messages=warning"}
        done = subprocess.run(self.command("-"), input=text, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def reset(self, rows=None):
        """The target holds the rows of a CSV file, or none; vacuumed and checkpointed. Nothing is known to be loaded into it."""
        copy = f"\\copy {TABLE} from '{rows}' (format csv, header)\n" if rows else ""
        self.sql(f"{CREATE}{copy}{FORGET}vacuum (analyze) {TABLE};\ncheckpoint;")

    def keep(self, tables):
        """Keeps these tables as they are, to be brought back. Nothing but what is measured may work in them, hence no autovacuum."""
        for number, table in enumerate(tables):
            kept = f"kept_{number}"
            self.sql(f"drop table if exists {kept}; create table {kept} as table {table};\n"
                     f"alter table {table} set (autovacuum_enabled = false);")

    def bring_back(self, tables):
        """Gives tables their kept rows; vacuumed and checkpointed."""
        statements = [f"truncate {table}; insert into {table} select * from kept_{number};" for number, table in enumerate(tables)]
        vacuum = [f"vacuum (analyze) {table};" for table in tables]
        self.sql("\n".join([*statements, *vacuum, "checkpoint;"]))

    def drop_kept(self, tables):
        self.sql("".join(f"drop table if exists kept_{number};" for number in range(len(tables))))

    def forget(self):
        self.sql(FORGET)

    def limit(self, rows):
        """What psql takes for the same: a copy into a temporary table and one statement, in one transaction."""
        file = self.work / "psql_temp.sql"
        file.write_text(f"begin;\ncreate temporary table stage (like {TABLE});\n"
                        f"\\copy stage from '{rows}' (format csv, header)\n"
                        f"insert into {TABLE} select * from stage {ON_CONFLICT};\ncommit;\n")
        return command(self.command(file), self.work / "psql.out")

    def sums(self, table=TABLE):
        """Count and check sums of a table, times 10,000; exact."""
        return [Decimal(value) for value in self.sql(SUMS.format(table=table)).split("|")]

    def check(self, expected, table=TABLE, exactly=True):
        """Expects these sums, or nearly these from who calculates with floats."""
        found = self.sums(table)
        near = all(abs(a - b) <= (0 if exactly else abs(b) / 10**9) for a, b in zip(found, expected, strict=True))
        if not near or found[0] != expected[0]:
            raise Wrong(f"the table's sums are {'|'.join(map(str, found))}, not {'|'.join(map(str, expected))}")

    def measured(self, action):
        """Runs `action`, and adds to its `Run` the CPU that the server took for it, up to the end of its sessions."""
        self.settle()
        before = self.cpu()
        run = action()
        self.settle()
        run.server = self.cpu() - before
        return run

    def children(self):
        return list(map(int, Path(f"/proc/{self.postmaster}/task/{self.postmaster}/children").read_text().split()))

    def cpu(self):
        """CPU seconds of the server since it started: its own, its children's, and its ended children's."""
        live = 0.0
        for process in [self.postmaster, *self.children()]:
            try:
                live += cpu_of(process)
            except OSError:
                pass  # ended just now
        fields = Path(f"/proc/{self.postmaster}/stat").read_text().rpartition(")")[2].split()
        return live + (int(fields[13]) + int(fields[14])) / TICK

    def settle(self):
        """Waits until no session is left: one works on for a moment after its client has gone."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(map(self.is_session, self.children())):
            time.sleep(0.002)

    def is_session(self, process):
        """Its title is `postgres: user database host(port) state`."""
        try:
            return f" {self.name} " in Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
        except OSError:
            return False

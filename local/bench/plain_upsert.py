"""The part `rows`: a file of rows, each by its key, into a table that holds half of them."""
from measure import Wrong, command, ratio, rounds
from functions import new_execution
from shapes import SHAPES

TABLE, LIMIT, OURS = "bench_rows", "psql, the same writes", "sluice, upsert, {}"
KEPT_BESIDE = f'sluice."public.{TABLE}"'
BARS = {"last_run": 1.2, "newest_file": 1.1, "newest_row": 1.1}
CUSTOMERS = SHAPES["customers"]
COLUMNS = ["id", "country", "name", "seen", "since", "spent"]
STAGE = "create temporary table stage (id bigint, name text, country text, since date, spent numeric, seen timestamp);"
# Of values: 1.50 and 1.5 are one.
SUM = f"select count(*), sum(hashtextextended(row(id, country, name, seen, since, trim_scale(spent))::text, 0)::numeric) from {{}}"


class Customers:
    """The table once the first file has filled it, and the second one, pivoted and about to be loaded: it has twice as many
    customers, among them all of the first."""

    def __init__(self, bench, mode):
        self.bench, self.mode, self.database = bench, mode, bench.database
        folder = bench.inputs("customers", rows=bench.upsert_rows)
        self.new, self.count = folder / "new.csv", bench.upsert_rows
        bench.aws("clear")
        self.database.sql(f"drop schema if exists sluice cascade; drop table if exists {TABLE}")
        inserted = self.load(self.pivoted("base", folder / "base.csv")).answer["rows_inserted"]
        if inserted != self.count // 2:
            raise Wrong(f"{inserted} rows of the first file are loaded, not {self.count // 2}")
        self.tables = [TABLE, "sluice.targets", "sluice.runs"]
        if self.database.sql(f"select to_regclass('{KEPT_BESIDE}')"):
            self.tables.append(KEPT_BESIDE)
        self.next = self.pivoted("new", self.new)
        self.database.keep(self.tables)
        self.expected = self.sums_of_the_file()

    def run(self, function, state, execution, **given):
        payload = self.bench.functions.payload(state, execution, **given)
        parts = CUSTOMERS.parts(table=TABLE, on_overlap=self.mode)
        return self.bench.functions.run(function, payload | {part: value for part, value in parts.items() if part in payload})

    def pivoted(self, name, file):
        self.bench.aws("put_file", key=f"input_data/{name}.csv", path=str(file), times=1)
        execution = new_execution()
        detected = self.run("detect-new-files", "DetectNewFiles", execution, trigger={}).answer
        self.run("pivot", "Pivot", execution, manifest=detected["manifest"], batch=detected["batches"][0])
        return detected

    def load(self, detected):
        return self.run("upsert", "Upsert", new_execution(), manifest=detected["manifest"], mode=detected["mode"])

    def sums_of_the_file(self):
        text = f"{STAGE}\n\\copy stage from '{self.new}' (format csv, header)\n{SUM.format('stage')};"
        return self.database.sql(text)

    def limit(self):
        """What psql takes for the same, in one transaction."""
        beside, wins = "", "stage"
        if KEPT_BESIDE in self.tables:
            columns = self.database.sql(f"select attname from pg_attribute where attrelid = '{KEPT_BESIDE}'::regclass and attnum > 0").split()
            keys = [key for key in columns if key in ("id", "sluice_file")] if self.mode == "newest_file" else ["id"]
            values = {"sluice_file": "'lake/input_data/new.csv'", "sluice_modified": "now()", "sluice_is_whole": "true",
                      "sluice_row": "id + 1", "sluice_deleted": "false", "sluice_repeats": "null::text"}
            rows = f"(select {', '.join(f'{values[name]} as {name}' if name in values else name for name in columns)} from stage) as rows"
            beside = self.upsert(KEPT_BESIDE, rows, columns, keys)
            if self.mode == "newest_file":
                wins = (f"(select distinct on (id) {', '.join(COLUMNS)} from {KEPT_BESIDE} where id in (select id from stage) "
                        "order by id, sluice_is_whole desc, sluice_modified desc, sluice_file desc) as newest")
        upsert = beside + self.upsert(TABLE, wins, COLUMNS, ["id"])
        file = self.bench.work / "rows.sql"
        file.write_text(f"begin;\n{STAGE}\n\\copy stage from '{self.new}' (format csv, header)\n{upsert}commit;\n")
        return command(self.database.command(file), self.bench.work / "psql.out")

    @staticmethod
    def upsert(table, rows, columns, keys):
        names, values = ", ".join(columns), [name for name in columns if name not in keys]
        return (f"insert into {table} ({names}) select {names} from {rows} on conflict ({', '.join(keys)}) do update set "
                f"{', '.join(f'{name} = excluded.{name}' for name in values)};\n")

    def ours(self):
        outcome = self.load(self.next)
        if outcome.answer["rows_staged"] != self.count:
            raise Wrong(f"staged {outcome.answer['rows_staged']} rows of {self.count}")
        return outcome

    def measured(self, action):
        def run():
            self.database.bring_back(self.tables)
            outcome = self.database.measured(action)
            if not outcome.problem and (found := self.database.sql(SUM.format(TABLE))) != self.expected:
                raise Wrong(f"the table's count and sum are {found}, not {self.expected}")
            return outcome
        return run


def rows(bench):
    """Rows by key into a table that holds half of them, in each mode that rows go with, against psql."""
    bench.report.add(f"{bench.upsert_rows:,} rows of six columns; ours come as binary, those of psql as CSV. Tables are brought back, "
                     "vacuumed and checkpointed before each run, and a checksum of all rows is compared after it.", "")
    for mode, bar in BARS.items():
        customers, ours = Customers(bench, mode), OURS.format(mode)
        if not bench.verify(ours, customers.measured(customers.ours)):
            continue
        results = rounds(bench.rounds, {LIMIT: customers.measured(customers.limit), ours: customers.measured(customers.ours)})
        bench.report.add(f"`{mode}`:", "")
        bench.report.results(results, LIMIT)
        for quantity, word in ("total", "CPU"), ("wall", "wall"):
            bench.report.bar(f"{mode}, {word}", ratio(results, ours, LIMIT, quantity), bar, " x psql")
        bench.report.add("")
        bench.database.drop_kept(customers.tables)

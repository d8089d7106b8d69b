"""The part `modes`: from the sums of a file to its words, and from all words to the table."""
import csv
import json
import os
from decimal import Decimal

import copyformat
from database import ON_CONFLICT, TABLE
from functions import new_execution
from measure import Wrong, command, ratio, rounds

MODES = ("all_files", "newest_file")
LIMIT, OURS = "psql, the same writes", "sluice, upsert"
WORDS = f'sluice."public.{TABLE}"'
KEPT = [TABLE, WORDS, "sluice.targets", "sluice.runs"]
SUMS = {
    "all_files": f"select date, sum(learning_minutes), sum(work_minutes) from {WORDS} where date in (select date from stage) group by date",
    "newest_file": f"select distinct on (date) date, learning_minutes, work_minutes from {WORDS} where date in (select date from stage) "
                   "order by date, sluice_is_whole desc, sluice_modified desc, sluice_file desc",
}
# The table's row, once more under the file's name.
WRITE_WORDS = f"""insert into {WORDS} as known (sluice_file, date, sluice_is_whole, sluice_modified, learning_minutes, work_minutes)
select '{{file}}', date, true, '{{modified}}', learning_minutes, work_minutes from stage
on conflict (date, sluice_file) do update set sluice_is_whole = excluded.sluice_is_whole, sluice_modified = excluded.sluice_modified,
    learning_minutes = excluded.learning_minutes, work_minutes = excluded.work_minutes;
"""


class Files:
    """A table that one file has filled, and a second one that is about to be loaded: it has twice as many dates, among them
    all of the first."""

    def __init__(self, bench, mode):
        self.bench, self.mode, self.database = bench, mode, bench.database
        folder = bench.inputs("upsert", rows=bench.upsert_rows)
        self.new = folder / "new.csv"
        self.count = bench.upsert_rows
        bench.aws("clear")
        self.database.sql("drop schema if exists sluice cascade")
        self.database.reset()
        base = self.detected("base", folder / "base.csv")
        loaded = self.load(base).answer["rows_inserted"]
        if loaded != self.count // 2:
            raise Wrong(f"{loaded} rows of the first file are loaded, not {self.count // 2}")
        self.expected = list(map(Decimal, (folder / "expect.txt").read_text().split("|")))
        if mode == "all_files":
            self.expected[1:] = [both + one for both, one in zip(self.expected[1:], self.database.sums()[1:])]
        self.modified = self.database.sql(f"select max(sluice_modified) from {WORDS}")
        self.next = self.detected("new", self.new)
        self.database.keep(KEPT)

    def detected(self, name, rows):
        """A small file is detected and pivoted as an execution's, and then these rows are said to be its sums."""
        bench, small = self.bench, self.bench.inputs("pivot", rows=1_000) / "part-000.csv"
        bench.aws("put_file", key=f"input_data/{name}.csv", path=str(small), times=1)
        execution = new_execution()
        detected = self.run("detect-new-files", "DetectNewFiles", execution, trigger={}).answer
        pivoted = self.run("pivot", "Pivot", execution, manifest=detected["manifest"], batch=detected["batches"][0]).answer
        etag = bench.aws("put_file", key=pivoted["pivoted"]["key"], path=str(self.encoded(rows)), times=1)["etag"]
        key, result = detected["manifest"]["key"].replace("manifest.json", "result-00000.json"), bench.work / "result.json"
        bench.aws("save", key=key, path=str(result))
        document = json.loads(result.read_text())
        document["output"]["pivoted"]["etag"] = etag
        document["output"]["days"] = sum(1 for _ in open(rows)) - 1
        bench.aws("put_text", key=key, text=json.dumps(document))
        return detected

    def encoded(self, rows):
        """As pivot leaves them, of the first file of the first batch."""
        binary = rows.with_suffix(".words")
        if not binary.exists():
            with open(rows, newline="") as read, open(f"{binary}.part", "wb") as file:
                reader = csv.reader(read)
                next(reader)
                copyformat.encode(([0, *row] for row in reader), ["bigint", "date", "numeric", "numeric"], file)
            os.rename(f"{binary}.part", binary)
        return binary

    def run(self, function, state, execution, **given):
        functions = self.bench.functions
        payload = functions.payload(state, execution, **given)
        payload["target"] = payload["target"] | {"on_overlap": self.mode}
        return functions.run(function, payload)

    def load(self, detected):
        return self.run("upsert", "Upsert", new_execution(), manifest=detected["manifest"], mode=detected["mode"])

    def limit(self):
        """What psql takes for the same, in one transaction."""
        file = self.bench.work / "words.sql"
        words = WRITE_WORDS.format(file="lake/input_data/new.csv", modified=self.modified)
        file.write_text(f"begin;\ncreate temporary table stage (like {TABLE});\n"
                        f"\\copy stage from '{self.new}' (format csv, header)\n{words}"
                        f"insert into {TABLE} {SUMS[self.mode]} {ON_CONFLICT};\ncommit;\n")
        return command(self.database.command(file), self.bench.work / "psql.out")

    def ours(self):
        outcome = self.load(self.next)
        if outcome.answer["rows_staged"] != self.count:
            raise Wrong(f"staged {outcome.answer['rows_staged']} rows of {self.count}")
        return outcome

    def measured(self, action):
        def run():
            self.database.bring_back(KEPT)
            outcome = self.database.measured(action)
            if not outcome.problem:
                self.database.check(self.expected)
                words = int(self.database.sql(f"select count(*) from {WORDS}"))
                if words != self.count // 2 + self.count:
                    raise Wrong(f"{words} words, not {self.count // 2 + self.count}")
            return outcome
        return run


def modes(bench):
    """A second file into a table of which it knows half of the dates, where the word of each file is kept, against psql."""
    bench.report.add(f"{bench.upsert_rows:,} rows; ours come as binary, those of psql as CSV. Both copy them into a temporary table, "
                     "write the words, and find from all words what the table holds. Tables are brought back, vacuumed and "
                     "checkpointed before each run; sums and words are counted after it. Ours also looks for files that repeat "
                     "others (`all_files`), as it does where nothing else is said.", "")
    for mode in MODES:
        files = Files(bench, mode)
        ours = f"{OURS}, {mode}"
        if not bench.verify(ours, files.measured(files.ours)):
            continue
        results = rounds(bench.rounds, {LIMIT: files.measured(files.limit), ours: files.measured(files.ours)})
        bench.report.add(f"`{mode}`:", "")
        bench.report.results(results, LIMIT)
        for quantity, word in ("total", "CPU"), ("wall", "wall"):
            bench.report.bar(f"{mode}, {word}", ratio(results, ours, LIMIT, quantity), 1.1, " x psql")
        bench.report.add("")
    bench.database.drop_kept(KEPT)

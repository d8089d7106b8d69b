#!/usr/bin/env python3
"""Checks the spec language's files against each other. Needs jsonschema, duckdb, pandas, pyarrow, tzdata.

  check.py            every example: its spec is valid and fits its template parameters; DuckDB or pandas, by queries that know nothing of
                      the spec, give expected.csv; so does model.py from the spec, also if the files fall into other runs. Every spec of
                      REFUSED is refused at the stated field. Random histories show that order does not matter, random specs
                      that the model and DuckDB say the same. What the cases of fields/ take and refuse, lint.py takes and refuses.
  check.py --write    writes expected.csv from DuckDB and pandas
  check.py SPEC       says what is wrong with one spec"""
import csv, datetime as dt, io, json, random, re, sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd

import cases
import generated
import lint
import model
from refused import REFUSED, changed

HERE = Path(__file__).resolve().parent
SCHEMA = json.loads((HERE / "spec.schema.json").read_text())


# The expected tables, each by a query of its own.

def sql(query):
    relation = duckdb.sql(query)
    return relation.columns, relation.fetchall()


def frame(data):
    return list(data.columns), [tuple(row) for row in data.itertuples(index=False)]


def toggl_export(at):
    return sql(f"""
        with given as (select "Start date"::date as date, coalesce("Project", '') as project, "Duration" as t, string_split(replace(t, ' min', ''), ':') as p
                       from read_csv('{at}/toggl/*.csv', all_varchar = true)),
             counted as (select date, project, case when t like '%sec' then replace(t, ' sec', '')::int
                                                    when t like '%min' then p[1]::int * 60 + p[2]::int
                                                    else p[1]::int * 3600 + p[2]::int * 60 + p[3]::int end as s from given)
        select date, round(coalesce(sum(s) filter (project = 'Branding'), 0) / 60, 2) as branding,
               round(coalesce(sum(s) filter (project = ''), 0) / 60, 2) as no_project, round(coalesce(sum(s) filter (project = 'Website'), 0) / 60, 2) as website
        from counted group by all""")


def clockify_export(at):
    return sql(f"""
        select date_trunc('month', strptime("Start Date", '%d/%m/%Y'))::date as month, "User" as user, "Project" as project, count(*) as entries,
               sum(epoch("Duration (h)"::interval))::bigint as seconds from read_csv('{at}/clockify/*.csv', all_varchar = true) group by all""")


def european_bank(at):
    data = pd.read_csv(f"{at}/bank/umsatz.csv", sep=";", skiprows=3, skipfooter=1, engine="python", dtype=str)
    data["amount"] = [Decimal(re.sub(r"[.'\u00a0]| EUR", "", text).replace(",", ".")) for text in data["Betrag"]]
    data["date"] = pd.to_datetime(data["Buchungstag"], format="%d.%m.%Y").dt.date
    wide = data.pivot_table(index="date", columns="Kategorie", values="amount", aggfunc="sum", fill_value=0).reset_index()
    return frame(wide.rename(columns={"Miete": "rent", "Gehalt": "salary", "Einkauf": "shopping"})[["date", "rent", "salary", "shopping"]])


def month_to_date_snapshots(at):
    newest = {file.name: file for step in ("1", "2", "3") for file in sorted((at / step / "snapshots").iterdir())}
    return sql(f"""
        with r as (select *, regexp_extract(filename, 'mtd-(.*)\\.csv', 1)::date as as_of
                   from read_csv({[str(file) for file in newest.values()]}, filename = true, types = {{'minutes': 'decimal(18,3)'}}))
        select date, project, max(as_of) as as_of, sum(minutes) as minutes from r
        where as_of = (select max(as_of) from r as other where other.date = r.date) group by all""")


def json_events(at):
    return sql(f"""
        with r as (select json from read_json_objects(['{at}/events/a.jsonl', '{at}/events/b.json'])),
             e as (select json->>'$.meta.at' as t, coalesce(json->>'$.project.name', 'none') as project,
                          (json->>'$.items[0].amount')::decimal(18,4) as amount from r where json->>'$.kind' in ('sale', 'refund'))
        select (case when regexp_matches(t, '(Z|[+-]\\d\\d:\\d\\d)$') then timezone('America/New_York', t::timestamptz) else t::timestamp end)::date as day,
               project, count(*) as events, coalesce(sum(amount), 0) as first_item from e group by all""")


def firehose_json(at):
    return sql(f"""
        select date_trunc('hour', make_timestamptz(ts * 1000)) as hour, device_id as device, min(temperature) as coldest, max(temperature) as hottest,
               count(temperature) as readings
        from read_json('{at}/delivery/**/*.gz', format = 'unstructured', columns = {{ts: 'bigint', device_id: 'bigint', temperature: 'decimal(9,3)'}}) group by all""")


def spark_parquet_by_day(at):
    cell = lambda c: (f"coalesce(sum(minutes) filter (project.name = '{c}'), 0) as {c}_minutes, count(*) filter (project.name = '{c}') as {c}_sessions")
    return sql(f"""select dt::date as date, {cell('branding')}, {cell('website')}
                   from read_parquet('{at}/lake/sessions/dt=*/*.parquet', hive_partitioning = true) group by all""")


def customers(at):
    steps = [("1", "monday"), ("2", "wednesday"), ("3", "tuesday-late")]
    data = pd.concat([pd.read_csv(at / step / "customers" / f"{name}.csv", dtype=str).assign(loaded_from=f"{name}.csv") for step, name in steps])
    data["updated_at"] = pd.to_datetime(data["updated_at"], utc=True, format="ISO8601")
    last = data.sort_values("updated_at", kind="stable").groupby("id").tail(1)
    last = last[last["deleted"] == "false"].assign(id=lambda d: d["id"].astype(int), active=lambda d: d["active"] == "yes", name=lambda d: d["name"].str.strip(), origin="crm")
    return frame(last[["id", "active", "email", "loaded_from", "name", "origin", "updated_at"]])


def orders_per_week_and_country(at):
    return sql(f"""
        with r as (select date_trunc('week', strptime("ordered at", '%m/%d/%Y %I:%M %p'))::date as week, coalesce(country, '??') as country,
                          replace(amount, ',', '')::decimal(12,2) as amount from read_csv('{at}/*/orders/*.csv', all_varchar = true)
                   where status is distinct from 'void')
        select week, country, round(sum(amount)::double / count(*), 4) as mean_amount, count(*) as orders, sum(amount)::decimal(12,2) as total
        from r where amount > 0 group by all""")


def two_keys_three_aggregates(at):
    return sql(f"""
        select column0 as meter, column1::date as day, max(column2) as highest, arg_max(column3, column1) as last_state, min(column2) as lowest
        from read_csv(['{at}/2/meters/b.csv', '{at}/3/meters/a.csv'], header = false, comment = '#', auto_detect = false, delim = ',',
                      columns = {{column0: 'int', column1: 'timestamp', column2: 'decimal(9,3)', column3: 'varchar'}}) group by all""")


def excel_unicode_text(at):
    data = pd.read_csv(at / "excel/Mappe1.txt", sep="\t", encoding="utf-16", dtype=str)
    data = pd.DataFrame({"date": pd.to_datetime(data["Datum"], format="%d.%m.%Y").dt.date, "project": data["Projekt"].str.strip(),
                         "minutes": [Decimal(text.replace(",", ".")) for text in data["Dauer"]]})
    return frame(data.groupby(["date", "project"], as_index=False).agg(minutes=("minutes", "sum")))


def latin_1(at):
    data = pd.read_csv(at / "legacy/visites.dat", sep="|", encoding="cp1252", skipfooter=1, engine="python", na_values=["n/a"])
    data["date"] = pd.to_datetime(data["DATE"].astype(str), format="%Y%m%d").dt.date
    return frame(data.groupby(["date", "VILLE"], as_index=False).agg(answers=("NB", "count"), people=("NB", "sum")).rename(columns={"VILLE": "town"}))


def accounting_numbers(at):
    data = pd.read_csv(at / "ledger/q.csv", skiprows=2, dtype=str)
    data = data[data["Kind"] != "Subtotal"]
    bare = data["Amount"].str.replace(r"[$,]|USD ", "", regex=True).str.strip().replace("-", "0")
    data = pd.DataFrame({"quarter": pd.to_datetime(data["Posted"], format="%d-%b-%y").dt.to_period("Q").dt.start_time.dt.date, "account": data["Account"],
                         "a": [Decimal(text.strip("()-")) * (-1 if text[0] == "(" or text[-1] == "-" else 1) for text in bare]})
    return frame(data.groupby(["quarter", "account"], as_index=False).agg(amount=("a", "sum"), largest=("a", "max")))


def other_categories(at):
    return sql(f"""
        with r as (select day, team, minutes, case when kind in ('bug', 'Bug') then 'bug' when kind = 'task' then 'task' else 'other' end as k
                   from read_csv('{at}/tickets/*.csv', types = {{'minutes': 'decimal(18,3)'}}))
        select day, team, {', '.join(f"coalesce(sum(minutes) filter (k = '{k}'), 0) as {k}_minutes, count(*) filter (k = '{k}') as {k}_tickets"
                                     for k in ('bug', 'other', 'task'))} from r group by all""")


def pomodoro(at, files=("2/input_data/sessions-2024-02.csv", "3/input_data/sessions-2024-01.csv")):
    return sql(f"""
        with r as (select left("Start date", 10)::date as date, "Project" as p, "Duration (in minutes)"::decimal(18,8) as m
                   from read_csv({[str(at / file) for file in files]}, all_varchar = true))
        select date, coalesce(sum(m) filter (p = 'Learning'), 0) as learning_minutes, coalesce(sum(m) filter (p = 'Work'), 0) as work_minutes
        from r group by all""")


def printed(value, kind):
    """As psql --csv shows it."""
    if value is None or value is pd.NaT or isinstance(value, float) and value != value:
        return ""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "t" if value else "f"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.timezone.utc).strftime("%Y-%m-%d %H:%M:%S+00")
    if isinstance(value, (int, float, Decimal)) or hasattr(value, "dtype"):
        text = f"{Decimal(str(value)):f}"
        return text if kind and "," in kind else text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def independent(name, folder, spec):
    header, rows = globals()[name.replace("-", "_")](folder / "in")
    types = spec["target"].get("types", {})
    return [list(header)] + sorted([printed(value, types.get(column)) for column, value in zip(header, row)] for row in rows)


def history(folder):
    """Its runs: in/1, in/2 ..., or in/ as one; a second apart."""
    steps = sorted(step for step in (folder / "in").iterdir() if step.name.isdigit()) or [folder / "in"]
    for turn, step in enumerate(steps):
        at = dt.datetime(2024, 6, 1, 0, 0, turn, tzinfo=dt.timezone.utc)
        yield [(str(file.relative_to(step)), file.read_bytes(), at) for file in sorted(step.rglob("*")) if file.is_file()]


def orders(count=200):
    """Random histories of four files, with corrections, emptied files and bad rows: the modes that promise it give one table for any split into runs,
    any order in which no file's versions change places, and any repetition."""
    columns = {"k": {"if_null": "z"}, **{name: {"type": kind} for name, kind in (("d", "integer"), ("v", "number"), ("t", "integer"))}}
    source = {"suffix": ".csv", "columns": columns, "on_bad_row": "quarantine", "on_bad_file": "quarantine"}
    values = {"keys": ["k", "d"], "values": {"s": {"sum": "v"}, "n": {"count": "*"}, "m": {"mean": "v", "scale": 3}, "l": {"last": "v", "order_by": "t"}}}
    shapes = [(values, {"on_overlap": "all_files", "on_repeated_file": "allow"}), (values, {"on_overlap": "newest_file"}),
              (values, {"on_overlap": "newest_file", "newest_by": "key", "newest_per": ["k"]}), ({"keys": ["k"], "rows": {"order_by": ["t"]}}, {"on_overlap": "newest_row"})]
    for seed in range(count):
        rng, uploads = random.Random(seed), []
        for turn in range(rng.randint(1, 7)):
            rows = [(rng.choice("ab"), rng.choice("12" if rng.random() < .8 else "12x"), rng.choice([5, 6, "y"] if rng.random() < .4 else [5, 6]), rng.randint(0, 3)) for _ in range(rng.randint(0, 4))]
            text = "\n".join(["k,d,v,t", *(",".join(map(str, row)) for row in rows)])
            uploads.append((f"{rng.randint(0, 3)}.csv", text.encode(), dt.datetime(2024, 1, 1, 0, 0, turn, tzinfo=dt.timezone.utc)))
        shuffled, runs = rng.sample(uploads, len(uploads)), []
        turns = {name: iter([upload for upload in uploads if upload[0] == name]) for name, *_ in uploads}
        for upload in [next(turns[name]) for name, *_ in shuffled]:
            if runs and rng.random() < .5 and upload[0] not in [name for name, *_ in runs[-1]]:
                runs[-1].append(upload)
            else:
                runs.append([upload])
        again = [[upload] for upload in {upload[0]: upload for upload in uploads}.values()]
        for shape, target in shapes:
            spec = {"source": source, "shape": shape, "target": {"table": "t", **target}}
            if model.table(spec, [[upload] for upload in uploads]) != model.table(spec, runs + again):
                yield f"seed {seed}, {target}: the table depends on how the files come"


def main():
    if sys.argv[1:] and sys.argv[1] != "--write":
        found = lint.problems(json.loads(Path(sys.argv[1]).read_text()), SCHEMA)
        print("\n".join(f"{where or '/'}: {what}" for where, what in found) or "nothing is wrong")
        return bool(found)
    lint.jsonschema.Draft202012Validator.check_schema(SCHEMA)
    faults, examples = [], {}
    for folder in sorted((HERE / "examples").iterdir()):
        name, text = folder.name, (folder / "spec.json").read_text()
        spec = examples[name] = json.loads(text)
        say = lambda what: faults.append(f"{name}: {what}")
        for where, what in lint.problems(spec, SCHEMA):
            say(f"{where}: {what}")
        if len(text.splitlines()) > 30:
            say("its spec has more than 30 lines")
        wanted = independent(name, folder, spec)
        if sys.argv[1:] == ["--write"]:
            with (folder / "expected.csv").open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(wanted)
        stored = list(csv.reader(io.StringIO((folder / "expected.csv").read_text())))
        if stored != wanted:
            say(f"expected.csv has {stored}, DuckDB or pandas {wanted}")
        runs = list(history(folder))
        uploads = [upload for run in runs for upload in run]
        for how, split in (("as given", runs), ("one by one", [[upload] for upload in uploads]), ("at once", [uploads] if spec["target"]["on_overlap"] != "last_run" else runs),
                           ("repeated", runs + [[upload] for upload in {upload[0]: upload for upload in uploads}.values()])):
            header, rows = model.table(spec, split)
            if [header, *rows] != stored:
                say(f"the model, runs {how}: {[header, *rows]}, expected.csv {stored}")
    for name, changes, where in REFUSED:
        found = lint.problems(changed(examples[name], changes), SCHEMA)
        if where not in [place for place, _ in found]:
            faults.append(f"{name} with {changes} should be refused at {where}, but: {found}")
    faults += orders()
    faults += generated.problems(printed)
    faults += cases.problems(SCHEMA)
    print("\n".join(faults) or f"{len(examples)} examples and {len(REFUSED)} refusals are right")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

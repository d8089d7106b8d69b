"""Random specs and files: the table that the model says is the one of a query in DuckDB, as far as both define things alike. The query is
made from what was drawn, not from the spec: the two meet only in the table."""
import datetime as dt
import random

import duckdb
import model

DATES = {"iso": "try_strptime({}, '%Y-%m-%d')::date", "%d/%m/%Y": "try_strptime({}, '%d/%m/%Y')::date"}
DAYS = [dt.date(2024, 2, 28) + dt.timedelta(days) for days in range(4)]

# What a row must meet, in the language and in SQL. A comparison with null is false, so that `not` keeps nulls.
FILTERS = [
    (None, "true"),
    ({"column": "n", "gt": 0}, "coalesce(n > 0, false)"),
    ({"column": "n", "gte": "-1.25", "lt": 5}, "coalesce(n >= -1.25 and n < 5, false)"),
    ({"not": {"column": "c", "equal": "bug"}}, "not coalesce(c = 'bug', false)"),
    ({"column": "c", "one_of": ["bug", "task"]}, "coalesce(c in ('bug', 'task'), false)"),
    ({"column": "n", "null": True}, "n is null"),
    ([{"column": "d", "lte": "2024-03-01"}, {"column": "c", "null": False}], "d <= date '2024-03-01' and c is not null"),
    ({"or": [{"column": "t", "lt": "2024-03-01 00:00:30"}, {"column": "n", "lte": 0}]}, "coalesce(t < timestamp '2024-03-01 00:00:30', false) or coalesce(n <= 0, false)"),
]

# From an aggregate to SQL over the rows that are in `{}`, and what stands where none are.
VALUES = [
    ({"sum": "n"}, "coalesce(sum(n) filter ({}), 0)"),
    ({"sum": "n", "empty": None}, "sum(n) filter ({})"),
    ({"count": "*"}, "count(*) filter ({})"),
    ({"count": "n"}, "count(n) filter ({})"),
    ({"min": "n"}, "min(n) filter ({})"),
    ({"max": "c"}, "max(c) filter ({})"),
    ({"min": "d"}, "min(d) filter ({})"),
    ({"max": "t"}, "max(t) filter ({})"),
    # So few rows that the nearest double rounds as the quotient does.
    ({"mean": "n", "scale": 4}, "round(sum(n) filter ({})::double / count(n) filter ({}), 4)"),
    ({"first": "c", "order_by": "t"}, "(array_agg(c order by t) filter ({}))[1]"),
    ({"last": "n", "order_by": "t"}, "(array_agg(n order by t desc) filter ({}))[1]"),
]
KEYS = {"k": "k", "d": "d", "m": "date_trunc('month', d)::date"}


def drawn(rng):
    """A spec, the text of a file, and a query over the file's table of texts."""
    form, mark = rng.choice(list(DATES)), rng.choice(".,")
    days, seconds = (lambda day: f"{day:%Y-%m-%d}" if form == "iso" else f"{day:%d/%m/%Y}"), rng.sample(range(60), 12)
    number = lambda: rng.choice(["", *(f"{quarters / 4}".replace(".", mark) for quarters in (-5, 0, 1, 10, 30))])
    rows = [(rng.choice("ab"), days(rng.choice(DAYS)), number(), rng.choice(["bug", "task", "Bug", ""]), f"2024-03-01 00:00:{seconds[place]:02}") for place in range(rng.randint(0, 12))]
    columns = {"k": {}, "d": {"type": "date", "format": form}, "n": {"type": "number", "nullable": True, "decimal": mark}, "c": {}, "t": {"type": "timestamp"},
               "m": {"from": "d", "type": "date", "format": form, "truncate": "month"}}
    keys = rng.sample(list(KEYS), rng.randint(1, 2))
    values = {f"v{place}": value for place, value in enumerate(rng.sample(VALUES, rng.randint(1, 3)))}
    condition, where = rng.choice(FILTERS)
    shape = {"keys": keys, "values": {name: value for name, (value, _) in values.items()}, **({"filter": condition} if condition else {})}
    cells = {"": "true"}
    if rng.random() < .5:
        other = rng.choice(["ignore", {"into": "rest"}])
        shape["pivot"] = {"on": "c", "into": {"bug": "bugs", "Bug": "bugs", "": "none"}, "other": other}
        cells = {"bugs": "c in ('bug', 'Bug')", "none": "c is null"}
        if other == "ignore":
            where = f"({where}) and ({' or '.join(cells.values())})"
        else:
            cells["rest"] = "c = 'task'"
    name = lambda stem, value: value if not stem else stem if len(values) == 1 else f"{stem}_{value}"
    selected = sorted((name(stem, value), sql.replace("{}", f"where coalesce({cell}, false)")) for stem, cell in cells.items() for value, (_, sql) in values.items())
    query = f"""
        with r as (select k, {DATES[form].format('d')} as d, replace(n, '{mark}', '.')::decimal(18, 4) as n, c, t::timestamp as t from given)
        select {', '.join(KEYS[key] for key in keys)}, {', '.join(sql for _, sql in selected)} from r where {where} group by {', '.join(KEYS[key] for key in keys)}"""
    source = {"suffix": ".csv", "columns": columns, "format": {"delimiter": ";"}}
    spec = {"prefix": "", "source": source, "shape": shape, "target": {"table": "t", "on_overlap": "all_files"}}
    return spec, rows, query


def problems(printed, count=300):
    """What the two say of specs that were drawn, where they differ; `printed` shows a value as psql does."""
    for seed in range(count):
        spec, rows, query = drawn(random.Random(seed))
        text = "".join(";".join(row) + "\n" for row in [("k", "d", "n", "c", "t"), *rows])
        _, found = model.table(spec, [[("a.csv", text.encode(), dt.datetime(2024, 6, 1, tzinfo=dt.timezone.utc))]])
        connection = duckdb.connect()
        connection.execute("create table given (k varchar, d varchar, n varchar, c varchar, t varchar)")
        if rows:
            connection.executemany("insert into given values (?, ?, ?, ?, ?)", [[field or None for field in row] for row in rows])
        shown = lambda value: value.isoformat(" ") if type(value) is dt.datetime else printed(value, None)
        expected = sorted([shown(value) for value in row] for row in connection.execute(query).fetchall())
        if found != expected:
            yield f"seed {seed}: {spec['shape']}\n{text}the model: {found}\nDuckDB: {expected}"

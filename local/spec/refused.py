"""Specs that must be refused, by lint.py and by the functions: what is changed in which example, and the field that the refusal must name."""
import copy

REFUSED = [
    ("pomodoro", {"/shape/values/minutes": "avg"}, "/shape/values/minutes"),
    ("pomodoro", {"/shape/values": ["minutes"]}, "/shape/values"),
    ("pomodoro", {"/shape/values/minutes": {"mean": "minutes"}}, "/shape/values/minutes"),
    ("pomodoro", {"/shape/values": {"n": "count"}}, "/shape/values/n"),
    ("pomodoro", {"/shape/values": {"project": "max", "x": {"sum": "project"}}}, "/shape/values/x"),
    ("pomodoro", {"/shape/keys": ["day"]}, "/shape/keys/0"),
    ("pomodoro", {"/shape/rows": {}}, "/shape"),
    ("pomodoro", {"/shape/pivot/into/Play": "date"}, "/shape"),
    ("pomodoro", {"/shape/pivot/other": "drop"}, "/shape/pivot/other"),
    ("pomodoro", {"/shape/filter": {"column": "date", "gte": "1/3/2024"}}, "/shape/filter/gte"),
    ("pomodoro", {"/shape/filter": [{"column": "minutes", "gt": 0}, {"or": [{"column": "projekt", "null": True}]}]}, "/shape/filter/1/or/0/column"),
    ("pomodoro", {"/source/columns/date/format": "%d/%m"}, "/source/columns/date/format"),
    ("pomodoro", {"/source/columns/date/format": "%m/%d/%Y %I:%M"}, "/source/columns/date/format"),
    ("pomodoro", {"/source/columns/date/format": "DD.MM.YYYY"}, "/source/columns/date/format"),
    ("pomodoro", {"/source/columns/date/zone": "Europe/Atlantis"}, "/source/columns/date/zone"),
    ("pomodoro", {"/source/columns/date/truncate": "hour"}, "/source/columns/date/truncate"),
    ("pomodoro", {"/source/columns/date/nullable": True}, "/source/columns/date/nullable"),
    ("pomodoro", {"/source/columns/minutes": {"from": "Duration", "type": "duration"}}, "/source/columns/minutes"),
    ("pomodoro", {"/source/columns/minutes": {"type": "duration", "unit": "hours"}}, "/source/columns/minutes"),
    ("pomodoro", {"/source/columns/minutes/type": "float"}, "/source/columns/minutes/type"),
    ("pomodoro", {"/source/columns/minutes/decimal": ",", "/source/columns/minutes/group": ",."}, "/source/columns/minutes"),
    ("pomodoro", {"/source/columns/project": {"from": "Project", "decimal": ","}}, "/source/columns/project/decimal"),
    ("pomodoro", {"/source/columns/project": {"from": ["project", "name"]}}, "/source/columns/project/from"),
    ("pomodoro", {"/source/columns/project": {"from": "Project", "partition": "project"}}, "/source/columns/project/partition"),
    ("pomodoro", {"/source/columns/sluice_file": "x"}, "/source/columns"),
    ("pomodoro", {"/source/columns/price.$": "x"}, "/source/columns"),
    ("pomodoro", {"/shape/pivot/into/Work.$": "work_minutes"}, "/shape/pivot/into"),
    ("pomodoro", {"/shape/pivot/into/${Work}": "work_minutes"}, "/shape"),
    ("pomodoro", {"/source/format": {"delimiter": ";;"}}, "/source/format/delimiter"),
    ("pomodoro", {"/source/format": {"type": "json", "delimiter": ";"}}, "/source/format/delimiter"),
    ("pomodoro", {"/source/format": {"records": ["data"]}}, "/source/format/records"),
    ("pomodoro", {"/source/format": {"header": ["Project", "Start date"]}}, "/source/columns/minutes"),
    ("pomodoro", {"/source/suffix": ""}, "/source/suffix"),
    ("pomodoro", {"/prefix": "/input"}, "/prefix"),
    ("pomodoro", {"/prefix": ""}, "/prefix"),
    ("pomodoro", {"/source/prefix": "in/"}, "/source/prefix"),
    ("pomodoro", {"/source/sufix": ".csv"}, "/source/sufix"),
    ("pomodoro", {"/source/on_bad_row": "ignore"}, "/source/on_bad_row"),
    ("pomodoro", {"/target/on_overlap": "replace"}, "/target/on_overlap"),
    ("pomodoro", {"/target/on_overlap": None}, "/target/on_overlap"),
    ("pomodoro", {"/target/on_overlap": "newest_row"}, "/target/on_overlap"),
    ("pomodoro", {"/target/newest_by": "key"}, "/target/newest_by"),
    ("pomodoro", {"/target/table": "analytics.days"}, "/target/table"),
    ("pomodoro", {"/target/types": {"work": "numeric(12,2)"}}, "/target/types/work"),
    ("pomodoro", {"/target/types": {"work_minutes": "money"}}, "/target/types/work_minutes"),
    ("customers", {"/target/on_overlap": "all_files"}, "/target/on_overlap"),
    ("customers", {"/shape/rows/delete_when": {"column": "deleted", "equal": "yes"}}, "/shape/rows/delete_when/equal"),
    ("customers", {"/shape/rows/order_by": ["deleted"]}, "/shape/rows/order_by/0"),
    ("customers", {"/shape/pivot": {"on": "name", "into": ["x"]}}, "/shape/pivot"),
    ("month-to-date-snapshots", {"/target/newest_per": ["as_of"]}, "/target/newest_per/0"),
    ("accounting-numbers", {"/source/columns/amount/if_null": "none"}, "/source/columns/amount/if_null"),
    ("pomodoro", {"/shape/values": {"": {"sum": "minutes"}}}, "/shape/values"),
    ("pomodoro", {"/shape/values": {"*": {"sum": "minutes"}}}, "/shape/values"),
    ("pomodoro", {"/shape/values": {"sluice_x": {"sum": "minutes"}}}, "/shape/values"),
    ("pomodoro", {"/shape/values": {"x" * 80: {"sum": "minutes"}}}, "/shape/values"),
    ("pomodoro", {"/source/suffix": [".csv", ".csv"]}, "/source/suffix"),
    ("pomodoro", {"/target/schema": "sluice"}, "/target/schema"),
]


def changed(spec, changes):
    spec = copy.deepcopy(spec)
    for path, value in changes.items():
        at, *steps = spec, *path.strip("/").split("/")
        for step in steps[:-1]:
            at = at[step]
        at[steps[-1]] = value
    return spec

"""CSV files of MovieLens' shape to Parquet files, and rows of Parquet files as JSON: by DuckDB.

    python parquet.py write FROM TO   every visible CSV file with rows below FROM, as Parquet at the same path below TO
    python parquet.py read FOLDER     prints the rows of all files in FOLDER, ordered by their first column
"""

import json
import sys
from pathlib import Path

import duckdb

TYPES = {"movieId": "BIGINT", "userId": "BIGINT", "rating": "DOUBLE", "timestamp": "BIGINT"}


def write(start, end):
    for path in Path(start).rglob("*.csv*"):
        name = path.relative_to(start).as_posix()
        if path.name.startswith((".", "_")) or path.stat().st_size == 0:
            continue
        table = duckdb.read_csv(str(path), header=True, all_varchar=True, delimiter=",", quotechar='"', escapechar='"')
        if len(table.limit(1).fetchall()) == 0:
            continue
        casts = [f'CAST("{column}" AS {TYPES.get(column, "VARCHAR")}) AS "{column}"' for column in table.columns]
        target = Path(end) / name.replace(".gz", "").replace(".csv", ".parquet")
        target.parent.mkdir(parents=True, exist_ok=True)
        table.project(", ".join(casts)).write_parquet(str(target))
    print("[]")


def read(folder):
    paths = [str(path) for path in sorted(Path(folder).iterdir())]
    rows = duckdb.read_parquet(paths).order("1").fetchall() if paths else []
    print(json.dumps(rows))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])

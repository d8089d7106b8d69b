#!/usr/bin/env python3
"""What others would use for the same, each as its own documentation has it. One peer per process:

    peers.py available                     the names of those that can run here, with what they need, as JSON
    peers.py pivot_... OUT.csv IN.csv...   CSV files to one row of sums per date
    peers.py shape_... SHAPE OUT.csv IN.csv  one of the three other shapes of `shapes.py`
    peers.py upsert_... NEW.csv            such rows into the table, by DATABASE_URL
    peers.py job_... IN.csv...             all of it
    peers.py list_... BUCKET PREFIX        a listing, counted
    peers.py copy_... TABLE                a table, from SOURCE_DATABASE_URL to DATABASE_URL
    peers.py days_... TABLE FIRST COUNT    so many of its days
    peers.py export_... TABLE              a table of MYSQL_URL into the bucket BENCH_BUCKET, or into BENCH_FILE

"As people write it" is the job as a data engineer wrote it first: pandas, `to_sql` into a staging table, one upsert.
"""
import importlib.metadata
import json
import os
import shutil
import sys
from pathlib import Path

URL, SOURCE_URL = (os.environ.get(name, "").replace("postgres://", "postgresql://") for name in ("DATABASE_URL", "SOURCE_DATABASE_URL"))
TABLE, MINUTES = "pomodoro_day_catg", "Duration (in minutes)"
PAYMENTS = {"Einkauf": "shopping", "Gehalt": "salary", "Miete": "rent", "Reise": "travel", "Strom": "power"}
ON_CONFLICT = """ON CONFLICT (date) DO UPDATE SET
    learning_minutes = EXCLUDED.learning_minutes, work_minutes = EXCLUDED.work_minutes"""


def polars_sums(files):
    import polars as pl
    minutes = lambda project: pl.col(MINUTES).filter(pl.col("Project") == project).sum()
    sums = pl.scan_csv(files).group_by(date=pl.col("Start date").str.head(10)).agg(
        learning_minutes=minutes("Learning"), work_minutes=minutes("Work"))
    return sums.sort("date").collect(engine="streaming")


def pivot_polars(out, *files):
    """polars, streaming, one thread"""
    polars_sums(files).write_csv(out)


def pivot_duckdb(out, *files):
    """DuckDB, one thread"""
    import duckdb
    minutes = f"""coalesce(sum("{MINUTES}") FILTER (Project = '%s'), 0)"""
    duckdb.connect(config={"threads": 1}).execute(f"""
        COPY (SELECT "Start date"[:10] AS date, {minutes % 'Learning'} AS learning_minutes, {minutes % 'Work'} AS work_minutes
              FROM read_csv({list(files)}, types={{'Start date': 'VARCHAR'}}) GROUP BY ALL ORDER BY date) TO '{out}' (HEADER)""")


def pivot_pandas_tuned(out, *files):
    """pandas, tuned"""
    import pandas as pd
    columns = ["Project", MINUTES, "Start date"]
    options = {"usecols": columns, "engine": "pyarrow", "dtype_backend": "pyarrow", "dtype": {"Start date": "string[pyarrow]"}}
    rows = pd.concat([pd.read_csv(file, **options) for file in files])
    rows["date"] = rows["Start date"].str[:10]
    sums = rows.groupby(["date", "Project"])[MINUTES].sum().unstack(fill_value=0).astype(float)
    sums = sums.reindex(columns=["Learning", "Work"], fill_value=0.0).set_axis(["learning_minutes", "work_minutes"], axis=1)
    sums.reset_index().to_csv(out, index=False)


def pandas_sums(files):
    from pandas import concat, pivot_table, read_csv, to_datetime
    rows = concat([read_csv(file) for file in files], axis=0).drop("End date", axis=1)
    rows["Start date"] = to_datetime(rows["Start date"].str[:10], format="%Y-%m-%d").dt.date
    rows = rows.groupby(["Start date", "Project"]).sum().reset_index()
    sums = pivot_table(data=rows, values=MINUTES, index="Start date", columns="Project", fill_value=0)
    sums.columns.name = None
    sums = sums.rename(columns={"Learning": "learning_minutes", "Work": "work_minutes"}).reset_index()
    return sums.rename(columns={"Start date": "date"})


def pivot_pandas(out, *files):
    """pandas, as people write it"""
    pandas_sums(files).to_csv(out, index=False)


def shape_polars(shape, out, file):
    """polars, streaming, one thread"""
    import polars as pl
    if shape == "sessions":
        rows = pl.scan_csv(file).group_by(date=pl.col("Start date").str.head(10), project="Project").agg(
            longest=pl.col(MINUTES).max(), minutes=pl.col(MINUTES).sum(), sessions=pl.len())
    elif shape == "payments":
        amount = pl.col("Betrag").str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True).cast(pl.Float64)
        sums = lambda category: amount.filter(pl.col("Kategorie") == category).sum().alias(PAYMENTS[category])
        rows = pl.scan_csv(file, separator=";", schema_overrides={"Betrag": pl.String}).group_by(
            date=pl.col("Buchungstag").str.to_date("%d.%m.%Y")).agg(*map(sums, PAYMENTS))
    else:
        rows = pl.scan_csv(file, try_parse_dates=True).unique("id", keep="last")
        rows = rows.select("id", "country", "name", "seen", "since", "spent")
    rows.collect(engine="streaming").write_csv(out, datetime_format="%Y-%m-%d %H:%M:%S")


def shape_duckdb(shape, out, file):
    """DuckDB, one thread"""
    import duckdb
    if shape == "sessions":
        rows = f"""SELECT "Start date"[:10] AS date, Project AS project, max("{MINUTES}") AS longest, sum("{MINUTES}") AS minutes,
            count(*) AS sessions FROM read_csv('{file}', types={{'Start date': 'VARCHAR'}}) GROUP BY ALL"""
    elif shape == "payments":
        amount = "replace(replace(Betrag, '.', ''), ',', '.')::DECIMAL(18, 2)"
        sums = [f"coalesce(sum({amount}) FILTER (Kategorie = '{category}'), 0) AS {column}" for category, column in PAYMENTS.items()]
        rows = f"""SELECT strptime(Buchungstag, '%d.%m.%Y')::DATE AS date, {', '.join(sums)}
            FROM read_csv('{file}', delim=';', all_varchar=true) GROUP BY ALL"""
    else:
        rows = f"SELECT id, country, name, seen, since, spent FROM read_csv('{file}') QUALIFY row_number() OVER (PARTITION BY id) = 1"
    duckdb.connect(config={"threads": 1}).execute(f"COPY ({rows}) TO '{out}' (HEADER)")


def pandas_rows(new):
    import pandas as pd
    rows = pd.read_csv(new, dtype={"learning_minutes": "float", "work_minutes": "float"})
    rows["date"] = rows["date"].to_numpy(dtype="datetime64[s]")  # nanoseconds would end in 2262
    return rows


def upsert_pandas_rows(rows):
    from sqlalchemy import create_engine, text
    engine = create_engine(URL.replace("postgresql://", "postgresql+psycopg2://"))
    rows.to_sql(f"tmp_{TABLE}", engine, schema="public", if_exists="replace", index=False)
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {TABLE} SELECT date, learning_minutes, work_minutes FROM tmp_{TABLE} {ON_CONFLICT}"))
        connection.execute(text(f"DROP TABLE tmp_{TABLE}"))


def upsert_pandas(new):
    """pandas and to_sql, as people write it"""
    upsert_pandas_rows(pandas_rows(new))


def upsert_awswrangler(new):
    """awswrangler"""
    import awswrangler
    import pg8000
    from urllib.parse import urlsplit
    rows, url = pandas_rows(new), urlsplit(URL)
    rows["date"] = rows["date"].dt.date
    with pg8000.connect(user=url.username, password=url.password, host=url.hostname, port=url.port or 5432,
                        database=url.path[1:]) as connection:
        awswrangler.postgresql.to_sql(df=rows, con=connection, table=TABLE, schema="public", mode="upsert",
                                      upsert_conflict_columns=["date"])


def upsert_psycopg2(new):
    """psycopg2, execute_values"""
    import csv
    import psycopg2
    from psycopg2.extras import execute_values
    with psycopg2.connect(URL) as connection, connection.cursor() as cursor, open(new, newline="") as file:
        rows = csv.reader(file)
        next(rows)
        execute_values(cursor, f"INSERT INTO {TABLE} VALUES %s {ON_CONFLICT}", rows, page_size=2000,
                       template="(%s::date, %s::numeric, %s::numeric)")


def upsert_adbc(new):
    """ADBC"""
    import adbc_driver_postgresql.dbapi
    from pyarrow import csv
    with adbc_driver_postgresql.dbapi.connect(URL) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("stage", csv.read_csv(new), mode="create", temporary=True)
        cursor.execute(f"INSERT INTO {TABLE} SELECT date, learning_minutes, work_minutes FROM stage {ON_CONFLICT}")
        connection.commit()


def postgres_extension():
    """DuckDB's: installed by DuckDB itself, or as a wheel beside it."""
    places = [Path.home() / ".duckdb", *(Path(path) / "duckdb_extension_postgres_scanner" for path in sys.path)]
    version = importlib.metadata.version("duckdb")
    found = [file for place in places for file in place.rglob("postgres_scanner.duckdb_extension") if f"v{version}" in str(file)]
    return found[0] if found else None


def upsert_duckdb(new):
    """DuckDB's postgres extension"""
    import duckdb
    connection = duckdb.connect()
    for statement in [
        f"LOAD '{postgres_extension()}'",
        f"ATTACH '{URL}' AS pg (TYPE postgres)",
        "BEGIN",
        "CREATE TABLE pg.duck_stage (date DATE, learning_minutes DOUBLE, work_minutes DOUBLE)",
        f"INSERT INTO pg.duck_stage FROM read_csv('{new}')",
        f"CALL postgres_execute('pg', $$INSERT INTO {TABLE} SELECT * FROM duck_stage {ON_CONFLICT}$$)",
        "CALL postgres_execute('pg', 'DROP TABLE duck_stage')",
        "COMMIT",
    ]:
        connection.execute(statement)


def run_dlt(file, **how):
    import dlt
    from pyarrow import csv
    # It insists on a password, which a server that trusts loopback does not look at.
    head, _, tail = URL.partition("@")
    os.environ["DESTINATION__POSTGRES__CREDENTIALS"] = f"{head}@{tail}" if head.count(":") > 1 else f"{head}:unused@{tail}"
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

    @dlt.resource(name=TABLE, primary_key="date", **how)
    def rows():
        yield csv.read_csv(file)

    dlt.pipeline("bench", pipelines_dir=os.environ["DLT_FOLDER"], destination="postgres", dataset_name="dlt_bench").run(rows())


def base_dlt(base):
    """Its own table, dlt_bench.pomodoro_day_catg, before the upsert."""
    run_dlt(base, write_disposition="replace")


def upsert_dlt(new):
    """dlt"""
    run_dlt(new, write_disposition={"disposition": "merge", "strategy": "upsert"})


def sling():
    """Its binary: the wheel `sling-linux-amd64` brings one."""
    found = [Path(path) / "sling_linux_amd64/bin/sling-linux-amd64" for path in sys.path]
    return next((str(file) for file in found if file.exists()), shutil.which("sling"))


def upsert_sling(new):
    """Sling"""
    environment = os.environ | {"SLING_DISABLE_TELEMETRY": "true", "BENCH_PG": URL if "?" in URL else f"{URL}?sslmode=disable"}
    os.execve(sling(), ["sling", "run", "--src-stream", f"file://{new}", "--tgt-conn", "BENCH_PG", "--tgt-object",
                        f"public.{TABLE}", "--mode", "incremental", "--primary-key", "date"], environment)


def job_polars(*files):
    """polars and psycopg2"""
    import io
    import psycopg2
    rows = io.BytesIO()
    polars_sums(files).write_csv(rows)
    rows.seek(0)
    with psycopg2.connect(URL) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE stage (LIKE {TABLE})")
        cursor.copy_expert("COPY stage FROM STDIN (FORMAT csv, HEADER)", rows)
        cursor.execute(f"INSERT INTO {TABLE} SELECT * FROM stage {ON_CONFLICT}")


def job_pandas(*files):
    """pandas, as people write it"""
    upsert_pandas_rows(pandas_sums(files))


def list_boto3(bucket, prefix):
    """boto3's paginator"""
    import boto3
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    print(sum(len(page.get("Contents", [])) for page in pages))


def list_awswrangler(bucket, prefix):
    """awswrangler"""
    import awswrangler
    print(len(awswrangler.s3.list_objects(f"s3://{bucket}/{prefix}")))


def list_s3fs(bucket, prefix):
    """s3fs"""
    import s3fs
    print(len(s3fs.S3FileSystem().find(f"{bucket}/{prefix}")))


def connections():
    import psycopg2
    return psycopg2.connect(SOURCE_URL), psycopg2.connect(URL)


def copy_psycopg2_copy(table):
    """psycopg2, COPY by way of a file"""
    import tempfile
    source, target = connections()
    with source, target, tempfile.TemporaryFile() as file:
        source.cursor().copy_expert(f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)", file)
        file.seek(0)
        target.cursor().copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)", file)


def copy_psycopg2_values(table):
    """psycopg2, a named cursor and execute_values"""
    from psycopg2.extras import execute_values
    source, target = connections()
    with source, target, source.cursor("rows") as reader, target.cursor() as writer:
        reader.itersize = 2000
        reader.execute(f"SELECT * FROM {table}")
        while rows := reader.fetchmany(2000):
            execute_values(writer, f"INSERT INTO {table} VALUES %s", adapted(rows), page_size=2000)


def adapted(rows):
    """JSON comes as dictionaries, which psycopg2 does not send back by itself."""
    from psycopg2.extras import Json
    return [tuple(Json(value) if isinstance(value, dict) else value for value in row) for row in rows]


def days_original(table, first, count):
    """the original's way: a day at a time, its time cast to a date, a commit every 2,000 rows"""
    import datetime
    from psycopg2.extras import execute_values
    source, target = connections()
    for number in range(int(count)):
        day = datetime.date.fromisoformat(first) + datetime.timedelta(number)
        with source, source.cursor("rows") as reader, target.cursor() as writer:
            reader.execute(f"SELECT * FROM {table} WHERE created_at::date = %s", (day,))
            while rows := reader.fetchmany(2000):
                execute_values(writer, f"INSERT INTO {table} VALUES %s", rows)
                target.commit()


def copy_duckdb(table):
    """DuckDB's postgres extension"""
    import duckdb
    connection = duckdb.connect()
    for statement in [
        f"LOAD '{postgres_extension()}'",
        f"ATTACH '{SOURCE_URL}' AS source (TYPE postgres, READ_ONLY)",
        f"ATTACH '{URL}' AS pg (TYPE postgres)",
        f"INSERT INTO pg.{table} SELECT * FROM source.{table}",
    ]:
        connection.execute(statement)


def copy_sling(table):
    """Sling"""
    urls = {"BENCH_SOURCE": SOURCE_URL, "BENCH_PG": URL}
    environment = os.environ | {"SLING_DISABLE_TELEMETRY": "true"}
    environment |= {name: url if "?" in url else f"{url}?sslmode=disable" for name, url in urls.items()}
    os.execve(sling(), ["sling", "run", "--src-conn", "BENCH_SOURCE", "--src-stream", f"public.{table}", "--tgt-conn", "BENCH_PG",
                        "--tgt-object", f"public.{table}", "--mode", "truncate"], environment)


def mysql():
    from urllib.parse import urlsplit
    return urlsplit(os.environ["MYSQL_URL"])


def export_airflow(table):
    """Airflow's SqlToS3Operator: pandas, read_sql and to_csv"""
    import tempfile
    import boto3
    import pandas as pd
    from sqlalchemy import create_engine
    engine = create_engine(mysql()._replace(scheme="mysql+pymysql").geturl())
    with tempfile.NamedTemporaryFile(suffix=".csv") as file, engine.connect() as connection:
        pd.read_sql(f"SELECT * FROM {table}", con=connection).to_csv(file.name, index=False)
        boto3.client("s3").upload_file(file.name, os.environ["BENCH_BUCKET"], f"airflow/{table}.csv")


def export_awswrangler(table):
    """awswrangler, chunks of 100,000 to Parquet"""
    import awswrangler
    import pymysql
    url = mysql()
    connection = pymysql.connect(host=url.hostname, port=url.port, user=url.username, password=url.password or "", database=url.path[1:])
    chunks = awswrangler.mysql.read_sql_query(f"SELECT * FROM {table}", con=connection, chunksize=100_000)
    for number, chunk in enumerate(chunks):
        awswrangler.s3.to_parquet(df=chunk, path=f"s3://{os.environ['BENCH_BUCKET']}/awswrangler/{table}-{number}.parquet")


def export_sling(table):
    """Sling, to CSV.gz in a file"""
    environment = os.environ | {"SLING_DISABLE_TELEMETRY": "true", "BENCH_MYSQL": os.environ["MYSQL_URL"]}
    os.execve(sling(), ["sling", "run", "--src-conn", "BENCH_MYSQL", "--src-stream", f"{mysql().path[1:]}.{table}",
                        "--tgt-object", f"file://{os.environ['BENCH_FILE']}"], environment)


NEEDS = {
    pivot_polars: ["polars"], pivot_duckdb: ["duckdb"], pivot_pandas_tuned: ["pandas", "pyarrow"], pivot_pandas: ["pandas"],
    shape_polars: ["polars"], shape_duckdb: ["duckdb"],
    upsert_psycopg2: ["psycopg2-binary"], upsert_adbc: ["adbc-driver-postgresql", "pyarrow"], upsert_duckdb: ["duckdb"],
    upsert_awswrangler: ["awswrangler", "pg8000"], upsert_dlt: ["dlt", "pyarrow"], upsert_sling: [],
    upsert_pandas: ["pandas", "SQLAlchemy", "psycopg2-binary"],
    job_polars: ["polars", "psycopg2-binary"], job_pandas: ["pandas", "SQLAlchemy", "psycopg2-binary"],
    copy_psycopg2_copy: ["psycopg2-binary"], copy_psycopg2_values: ["psycopg2-binary"], days_original: ["psycopg2-binary"],
    copy_duckdb: ["duckdb"], copy_sling: [],
    export_airflow: ["pandas", "SQLAlchemy", "PyMySQL", "boto3"], export_awswrangler: ["awswrangler", "PyMySQL"], export_sling: [],
    list_boto3: ["boto3"], list_awswrangler: ["awswrangler"], list_s3fs: ["s3fs"],
}


def available():
    """From name to title and whether it can run here; and the versions of what is installed."""
    versions = {}
    for package in sorted({package for packages in NEEDS.values() for package in packages}):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    peers = {}
    for peer, packages in NEEDS.items():
        can = all(package in versions for package in packages)
        can = can and (peer not in (upsert_duckdb, copy_duckdb) or bool(postgres_extension()))
        can = can and (peer not in (upsert_sling, copy_sling, export_sling) or bool(sling()))
        peers[peer.__name__] = {"title": peer.__doc__, "can": can}
    print(json.dumps({"peers": peers, "versions": versions}))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

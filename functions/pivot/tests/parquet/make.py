"""Makes the Parquet files beside this script, as other programs write them, and what they must come to.

Each `<name>.parquet` has a `<name>.csv` of the same rows, or a `<name>.txt` with the error that refuses it.
Made with pyarrow 25.0.1, polars 2.1.0 and duckdb 2.0.0: python make.py
"""

import datetime
import decimal
import math
import pathlib
import random

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
HEADER = ["Start date", "Project", "Duration (in minutes)"]
DATE, CATEGORY, VALUE = HEADER
RANDOM = random.Random(7)
COUNT = 200
decimal.getcontext().prec = 60

STARTS = [datetime.datetime(2023, 12, 20) + datetime.timedelta(minutes=211 * row, microseconds=row) for row in range(COUNT)]
STARTS[0] = datetime.datetime(1969, 12, 31, 23, 59, 59, 999_000)
CATEGORIES = [RANDOM.choice(["Learning", "Work"]) for _ in range(COUNT)]
DOUBLES = [RANDOM.choice([RANDOM.uniform(-100, 100), float(RANDOM.randrange(100)), 0.1 + 0.2]) for _ in range(COUNT)]
INTEGERS = [RANDOM.randrange(-(10**6), 10**6) for _ in range(COUNT)]
HUNDREDTHS = [decimal.Decimal(number).scaleb(-2) for number in INTEGERS]


def double_text(value):
    """The shortest text that reads back, in Rust's words."""
    if math.isnan(value) or math.isinf(value):
        return str(value)
    text = repr(value)
    return text.removesuffix(".0")


def text_of(value):
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return double_text(value)
        case datetime.datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case _:
            return str(value)


def write_csv(name, columns, header=HEADER):
    rows = [",".join(map(text_of, row)) for row in zip(*columns, strict=True)]
    (HERE / f"{name}.csv").write_text("\n".join([",".join(header), *rows, ""]))


def write(name, columns, texts=None, others=(), required=False, **options):
    """`columns`: arrays of the date, the category and the value. `others`: columns that come first."""
    fields = [pa.field(key, array.type, nullable=not required) for key, array in [*others, *zip(HEADER, columns)]]
    table = pa.table([array for _, array in others] + list(columns), schema=pa.schema(fields))
    pq.write_table(table, HERE / f"{name}.parquet", **options)
    write_csv(name, texts or [array.to_pylist() for array in columns])


def refuse(name, error, columns, **options):
    pq.write_table(pa.table(dict(zip(HEADER, columns))), HERE / f"{name}.parquet", **options)
    (HERE / f"{name}.txt").write_text(error + "\n")


def pyarrow_files():
    starts = [start.strftime("%Y-%m-%d %H:%M") for start in STARTS]
    write(
        "snappy-dictionaries-two-groups",
        [pa.array(starts), pa.array(CATEGORIES), pa.array(DOUBLES)],
        row_group_size=150,
    )
    # Columns within columns come before: a chunk's place is not the column's.
    nested = pa.array([{"tags": ["a", "b"], "n": row} for row in range(COUNT)])
    write(
        "zstd-plain-pages-v2-nested-others",
        [pa.array(STARTS, pa.timestamp("us", "Europe/Berlin")), pa.array(CATEGORIES), pa.array(HUNDREDTHS, pa.decimal128(12, 2))],
        [STARTS, CATEGORIES, HUNDREDTHS],
        others=[("nested", nested), ("list", pa.array([[row] for row in range(COUNT)]))],
        compression="zstd",
        data_page_version="2.0",
        use_dictionary=False,
        data_page_size=256,
        write_batch_size=50,
        write_page_checksum=True,
    )
    write(
        "gzip-int96-int64",
        [pa.array(STARTS, pa.timestamp("ns")), pa.array(CATEGORIES), pa.array(INTEGERS, pa.int64())],
        compression="gzip",
        use_deprecated_int96_timestamps=True,
        write_page_checksum=True,
    )
    write(
        "none-deltas-of-integers",
        [pa.array([start.date() for start in STARTS]), pa.array(CATEGORIES), pa.array(INTEGERS, pa.int32())],
        compression="none",
        use_dictionary=False,
        column_encoding={DATE: "DELTA_BINARY_PACKED", CATEGORY: "DELTA_LENGTH_BYTE_ARRAY", VALUE: "DELTA_BINARY_PACKED"},
    )
    write(
        "snappy-deltas-of-texts-split-doubles",
        [pa.array(STARTS, pa.timestamp("ms")), pa.array(CATEGORIES), pa.array(DOUBLES)],
        [[start.replace(microsecond=start.microsecond // 1000 * 1000) for start in STARTS], CATEGORIES, DOUBLES],
        use_dictionary=False,
        column_encoding={DATE: "DELTA_BINARY_PACKED", CATEGORY: "DELTA_BYTE_ARRAY", VALUE: "BYTE_STREAM_SPLIT"},
        data_page_version="2.0",
        required=True,
    )
    write(
        "decimals-as-integers-binary",
        [pa.array([start.encode() for start in starts]), pa.array([c.encode() for c in CATEGORIES]), pa.array(HUNDREDTHS, pa.decimal128(9, 2))],
        [starts, CATEGORIES, HUNDREDTHS],
        store_decimal_as_integer=True,
        required=True,
    )
    wide = [decimal.Decimal(number) * 10**20 + decimal.Decimal(1).scaleb(-6) for number in INTEGERS]
    write(
        "decimals-of-38-digits-dictionary-column",
        [pa.array(STARTS, pa.timestamp("s")), pa.array(CATEGORIES).dictionary_encode(), pa.array(wide, pa.decimal128(38, 6))],
        [STARTS, CATEGORIES, wide],
    )
    floats = pa.array(DOUBLES, pa.float32())
    short = [float(str(value)) for value in floats.to_numpy()]
    write("floats", [pa.array(starts), pa.array(CATEGORIES), floats], [starts, CATEGORIES, short])
    write("unsigned", [pa.array(starts), pa.array(CATEGORIES), pa.array([2**64 - 1 - row for row in range(COUNT)], pa.uint64())])
    write("bytes", [pa.array(starts), pa.array(CATEGORIES), pa.array([row - 128 for row in range(COUNT)], pa.int8())])
    texts = [format(number / 8, ".3f") for number in INTEGERS]
    write("values-as-texts", [pa.array(starts), pa.array(CATEGORIES), pa.array(texts)], compression="zstd")
    for version in ["1.0", "2.0"]:
        for use_dictionary in [True, False]:
            dates = [None if row % 7 == 1 else start.date() for row, start in enumerate(STARTS)]
            categories = [None if row % 11 == 2 else category for row, category in enumerate(CATEGORIES)]
            values = [None if row % 5 == 3 else value for row, value in enumerate(DOUBLES)]
            values[10], values[11] = math.nan, math.inf
            name = f"nulls-v{version[0]}-{'dictionaries' if use_dictionary else 'plain'}"
            columns = [pa.array(dates, pa.date32()), pa.array(categories), pa.array(values, pa.float64())]
            write(name, columns, use_dictionary=use_dictionary, data_page_version=version, row_group_size=100)
    for version in ["1.0", "2.0"]:
        columns = [pa.array([None] * 20, pa.date32()), pa.array(["Work"] * 20), pa.array([None] * 20, pa.float64())]
        write(f"all-null-v{version[0]}", columns, data_page_version=version, use_dictionary=False)
    # The types of columns that have nothing else than nulls are unknown to pandas, too.
    for name, columns in [
        ("nulls-value", [pa.array(starts[:20]), pa.array(CATEGORIES[:20]), pa.nulls(20)]),
        ("nulls-index-category-v2", [pa.nulls(20), pa.nulls(20), pa.array(DOUBLES[:20])]),
    ]:
        write(name, columns, data_page_version="2.0" if name.endswith("v2") else "1.0")
    # The dictionaries of the two groups have other entries; each is given up within its group.
    columns = [pa.array(starts), pa.array(CATEGORIES), pa.array(DOUBLES)]
    options = {"dictionary_pagesize_limit": 400, "write_batch_size": 20, "data_page_size": 200, "row_group_size": 120}
    write("dictionaries-given-up", columns, **options)
    # Many blocks of 128 differences.
    many = 1_000
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=row // 3 + row % 5) for row in range(many)]
    categories = [("Work", "Learning")[row * row % 7 % 2] for row in range(many)]
    values = [((row * 7919) % 1009 - 500) * (1 + row // 100) for row in range(many)]
    encodings = {DATE: "DELTA_BINARY_PACKED", VALUE: "DELTA_BINARY_PACKED"}
    for name, encoding in [("lengths", "DELTA_LENGTH_BYTE_ARRAY"), ("prefixes", "DELTA_BYTE_ARRAY")]:
        write(
            f"many-deltas-{name}",
            [pa.array(days), pa.array(categories), pa.array(values, pa.int64())],
            use_dictionary=False,
            column_encoding={**encodings, CATEGORY: encoding},
            compression="zstd",
        )
    usual = [pa.array(starts), pa.array(CATEGORIES), pa.array(DOUBLES)]
    write("lz4", usual, compression="lz4", row_group_size=90)
    write("brotli", usual, compression="brotli", data_page_version="2.0", use_dictionary=False, data_page_size=400, write_batch_size=20)
    # The first eighty in one run, then a change with every row, with nulls between.
    booleans = [None if row % 13 == 5 else row < 80 or row % 2 == 0 for row in range(COUNT)]
    for version in ["1.0", "2.0"]:
        columns = [pa.array(starts), pa.array(booleans), pa.array(DOUBLES)]
        write(f"bool-category-v{version[0]}", columns, data_page_version=version, data_page_size=20, write_batch_size=50)
    write("no-rows", [pa.array([], pa.date32()), pa.array([], pa.string()), pa.array([], pa.float64())])


def polars_files():
    frame = polars.DataFrame({
        DATE: polars.Series([start.date() for start in STARTS]),
        CATEGORY: polars.Series(CATEGORIES, dtype=polars.Categorical),
        VALUE: polars.Series(HUNDREDTHS, dtype=polars.Decimal(38, 2)),
    })
    frame.write_parquet(HERE / "polars.parquet", row_group_size=100)
    write_csv("polars", [frame[name].to_list() for name in HEADER])
    frame = polars.DataFrame({DATE: STARTS, CATEGORY: CATEGORIES, VALUE: DOUBLES})
    frame.write_parquet(HERE / "polars-snappy.parquet", compression="snappy", data_page_size=500)
    write_csv("polars-snappy", [frame[name].to_list() for name in HEADER])
    frame = polars.DataFrame({DATE: STARTS[:20], CATEGORY: CATEGORIES[:20], VALUE: [None] * 20})
    frame.write_parquet(HERE / "polars-nulls.parquet")
    write_csv("polars-nulls", [frame[name].to_list() for name in HEADER])


def duckdb_files():
    connection = duckdb.connect()
    connection.execute(f'CREATE TABLE rows ("{DATE}" TIMESTAMP, "{CATEGORY}" VARCHAR, "{VALUE}" DECIMAL(9, 2))')
    connection.executemany("INSERT INTO rows VALUES (?, ?, ?)", list(zip(STARTS, CATEGORIES, HUNDREDTHS)))
    for version in ["V1", "V2"]:
        name = f"duckdb-{version.lower()}"
        path = HERE / f"{name}.parquet"
        connection.execute(f"COPY rows TO '{path}' (FORMAT PARQUET, PARQUET_VERSION {version}, ROW_GROUP_SIZE 2048)")
        write_csv(name, [STARTS, CATEGORIES, HUNDREDTHS])
    path = HERE / "duckdb-dates-doubles.parquet"
    query = f'SELECT CAST("{DATE}" AS DATE) AS "{DATE}", "{CATEGORY}", CAST("{VALUE}" AS DOUBLE) AS "{VALUE}" FROM rows'
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT PARQUET, PARQUET_VERSION V2, CODEC 'zstd')")
    write_csv("duckdb-dates-doubles", [[start.date() for start in STARTS], CATEGORIES, [float(value) for value in HUNDREDTHS]])


def refused_files():
    starts = pa.array([start.date() for start in STARTS[:5]])
    categories, doubles = pa.array(CATEGORIES[:5]), pa.array(DOUBLES[:5])
    usual = [starts, categories, doubles]
    refuse(
        "refused-bool-value",
        'the column "Duration (in minutes)" is BOOLEAN; expected a number',
        [starts, categories, pa.array([True] * 5)],
    )
    duration = 'the column "Duration (in minutes)" is a duration, which needs a unit; store it as a number'
    minutes = [datetime.timedelta(minutes=10)] * 5
    for unit in ["s", "ns"]:
        refuse(f"refused-duration-{unit}", duration, [starts, categories, pa.array(minutes, pa.duration(unit))])
    frame = polars.DataFrame({"n": [1] * 5, DATE: STARTS[:5], CATEGORY: CATEGORIES[:5], VALUE: minutes})
    frame.write_parquet(HERE / "refused-duration-polars.parquet")
    (HERE / "refused-duration-polars.txt").write_text(duration + "\n")
    refuse(
        "refused-list-value",
        'the column "Duration (in minutes)" is a group of columns; expected a number',
        [starts, categories, pa.array([[1.0]] * 5)],
    )
    refuse(
        "refused-date-value",
        'the column "Duration (in minutes)" is INT32 (DATE); expected a number',
        [starts, categories, starts],
    )
    refuse(
        "refused-time-index",
        'the column "Start date" is INT64 (TIME); expected a date, a timestamp or a text',
        [pa.array([datetime.time(1)] * 5), categories, doubles],
    )
    table = pa.table({"start date": starts, "Project": categories, "list": [[1]] * 5})
    pq.write_table(table, HERE / "refused-missing.parquet")
    error = 'the column "Start date" is missing; the file has "start date", "Project", "list"'
    (HERE / "refused-missing.txt").write_text(error + "\n")


def types_file():
    """For specs of the whole language: every type, nulls on each level of a nested column. What it comes to stands in
    tests/it/general/parquet.rs."""
    at = [datetime.datetime(2024, 3, 1, 23, 30, 0, 500_000), None, datetime.datetime(2024, 7, 1)]
    nested = pa.struct([("inner", pa.struct([("name", pa.string()), ("n", pa.int16())])), ("tags", pa.list_(pa.string()))])
    columns = {
        "nested": pa.array([{"inner": {"name": "a", "n": 1}, "tags": ["x", "y"]}, {"inner": {"name": None, "n": 2}, "tags": []}, {"inner": None}], nested),
        "utc": pa.array(at, pa.timestamp("us", "UTC")),
        "wall": pa.array(at, pa.timestamp("ms")),
        "day": pa.array([moment and moment.date() for moment in at]),
        "took": pa.array([datetime.timedelta(minutes=90), None, datetime.timedelta(seconds=1)], pa.duration("us")),
        "seconds": pa.array([1_709_283_600, 0, -1], pa.int64()),
        "float": pa.array([0.1, 1e300, -2.5]),
        "flag": pa.array([True, False, None]),
        "after": pa.array(["p", "q", "r"]),
    }
    pq.write_table(pa.table(columns), HERE.parent / "it/general/types.parquet", row_group_size=2)
    # Every type of number, as a column with marks of texts could misread it.
    numbers = {
        "decimal": pa.array(["1.500", "-0.250"], pa.string()).cast(pa.decimal128(10, 3)),
        "double": pa.array([1.234, 1234.5], pa.float64()),
        "float": pa.array([0.125, 2.5], pa.float32()),
        "long": pa.array([1500, -1], pa.int64()),
        "text": pa.array(["1.500", "0,25"], pa.string()),
    }
    pq.write_table(pa.table(numbers), HERE.parent / "it/general/numbers.parquet")


pyarrow_files()
polars_files()
types_file()
duckdb_files()
refused_files()

"""Tables: what is read of their files, and what statements write."""

import gzip
import tempfile

import duckdb
from case import AthenaCase

OPEN_CSV = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
LAZY_SIMPLE = (
    "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('field.delim'=',')"
)
SKIP_HEADER = "TBLPROPERTIES ('skip.header.line.count'='1')"


def _parquet(query):
    """A Parquet file with the rows of a query."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({query}) TO '{folder}/a.parquet' (FORMAT parquet, COMPRESSION uncompressed)")
        with open(f"{folder}/a.parquet", "rb") as file:
            return file.read()


class Tables(AthenaCase):
    def test_opencsv_serde(self):
        self.put(
            "t/a.csv",
            'a,b,c\n1,"x, y","say ""hi"""\n2,AC\\DC,"C:\\"\n3,"torn\nhere",z\n\n4,p\n5,q,r,too much\n6,,""\n',
        )
        columns = "a string, b string, c string"
        self.sql(f"CREATE EXTERNAL TABLE t ({columns}) {OPEN_CSV} LOCATION 's3://{{lake}}/t/' {SKIP_HEADER}")
        rows = self.rows("SELECT a, b, c FROM t")
        # Of the line that begins in the middle of the torn one only this is known: it is a row of its own.
        del rows[3]
        self.assertEqual(
            rows,
            [
                ["1", "x, y", 'say "hi"'],
                ["2", "ACDC", None],
                ["3", None, None],
                [None, None, None],
                ["4", "p", None],
                ["5", "q", "r"],
                ["6", "", ""],
            ],
        )
        self.sql(f"CREATE EXTERNAL TABLE n (a int, b string) {OPEN_CSV} LOCATION 's3://{{lake}}/n/'")
        self.put("n/1.csv", "1,x\n")
        self.assertEqual(self.rows("SELECT a + 1 FROM n"), [["2"]])
        self.put("n/2.csv", ",y\n")
        self.fails("SELECT a FROM n", "HIVE_BAD_DATA")

    def test_what_is_not_utf8_is_read_as_another_character(self):
        self.put("t/a.csv", "a,b\n".encode() + b"1,Am\xe9lie\n2,x\n")
        self.sql(f"CREATE EXTERNAL TABLE t (a string, b string) {OPEN_CSV} LOCATION 's3://{{lake}}/t/' {SKIP_HEADER}")
        found = self.rows("SELECT b, strpos(b, chr(65533)) > 0 FROM t ORDER BY a")
        self.assertEqual(found, [["Am\ufffdlie", "true"], ["x", "false"]])

    def test_lazy_simple_serde(self):
        self.put("t/a.csv", 'id,title,rating\n1,"x, y",4.5\n2,z,4.5\n3,\\N,abc\n4,,\n99999999999,w,1\n')
        columns = "id int, title string, rating int"
        self.sql(f"CREATE EXTERNAL TABLE t ({columns}) {LAZY_SIMPLE} LOCATION 's3://{{lake}}/t' {SKIP_HEADER}")
        self.assertEqual(
            self.rows("SELECT * FROM t"),
            [["1", '"x', None], ["2", "z", "4"], ["3", None, None], ["4", "", None], [None, "w", "1"]],
        )

    def test_parquet_files_are_read_by_name_and_in_their_own_types_only(self):
        query = "CREATE TABLE w WITH (external_location = 's3://{lake}/w/') AS SELECT 1 AS Id, 'x' AS name, 2.5 AS half"
        self.sql(query)
        external = "CREATE EXTERNAL TABLE {} ({}) STORED AS PARQUET LOCATION 's3://{{lake}}/w/'"
        self.sql(external.format("t", "name string, gone bigint, id int"))
        self.assertEqual(self.rows("SELECT id, name, gone FROM t"), [["1", "x", None]])
        others = ("id bigint", "id string", "half float", "name varchar(10), half decimal(2,1)")
        for number, column in enumerate(others):
            self.sql(external.format(f"o{number}", column))
            self.fails(f"SELECT * FROM o{number}", "HIVE_BAD_DATA")
        self.put("w/text.csv", "id,name\n1,x\n")
        self.fails("SELECT id FROM t", "HIVE_BAD_DATA: Not valid Parquet file")

    def test_texts_of_parquet_files_that_are_not_utf8_are_no_made_up_answer(self):
        """Athena takes their bytes as they are, and DuckDB has no such text."""
        good = _parquet("SELECT 'Amelie' AS title")
        for name, body in (("good", good), ("bad", good.replace(b"Amelie", b"Am\xe9lie"))):
            self.put(f"{name}/a.parquet", body)
            self.sql(f"CREATE EXTERNAL TABLE {name} (title string) STORED AS PARQUET LOCATION 's3://{{lake}}/{name}/'")
        self.assertEqual(self.rows("SELECT from_utf8(to_utf8(title)) FROM good"), [["Amelie"]])
        unknown = "LOCAL_STAND_IN: the local Athena does not know texts of Parquet files that are not UTF-8"
        self.fails("SELECT title FROM bad", unknown)

    def test_times_of_parquet_files_are_rounded_to_milliseconds(self):
        times = ["2020-01-01 10:00:00.123499", "2020-01-01 10:00:00.1235", "1969-12-31 23:59:59.9996", "2020-01-01"]
        kinds = ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMPTZ")
        columns = ", ".join(f"CAST(stamp AS {kind}) AS c{number}" for number, kind in enumerate(kinds))
        self.put("t/a.parquet", _parquet(f"SELECT {columns} FROM (SELECT unnest({times}) AS stamp)"))
        columns = ", ".join(f"c{number} timestamp" for number in range(len(kinds)))
        self.sql(f"CREATE EXTERNAL TABLE t ({columns}) STORED AS PARQUET LOCATION 's3://{{lake}}/t/'")
        rounded = ["2020-01-01 10:00:00.123", "2020-01-01 10:00:00.124", "1970-01-01 00:00:00.000"]
        rounded.append("2020-01-01 00:00:00.000")
        for column in ("c0", "c1", "c3"):
            self.assertEqual([row[0] for row in self.rows(f"SELECT {column} FROM t")], rounded, column)
        # What has milliseconds only DuckDB has cut itself.
        self.assertEqual(self.rows("SELECT c2 FROM t")[0], ["2020-01-01 10:00:00.123"])

    def test_what_lies_below_a_location(self):
        zipped = gzip.compress(b"2\n")
        self.put("t/sub/a.csv", "1\n")
        self.put("t/b.csv.gz", zipped)
        for name, body in (("t/_c.csv", "3\n"), ("t/.d/e.csv", "4\n"), ("t/empty.csv", ""), ("tt/f.csv", "5\n")):
            self.put(name, body)
        self.sql("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://{lake}/t'")
        found, rows = self.sql("SELECT a FROM t")
        self.assertEqual(sorted(rows), [["1"], ["2"]])
        self.assertEqual(found["Statistics"]["DataScannedInBytes"], 2 + len(zipped))

    def test_create_table_as(self):
        found, _ = self.sql(
            "CREATE TABLE t AS SELECT i AS Id, 'v' || CAST(i AS varchar) AS name, CAST(i AS double) / 2 AS half "
            "FROM UNNEST(sequence(1, 100)) AS s(i) ORDER BY 1"
        )
        folder = f"by-hand/tables/{found['QueryExecutionId']}"
        self.assertEqual(found["ResultConfiguration"]["OutputLocation"], f"s3://{self.lake}/{folder}")
        self.assertEqual(found["SubstatementType"], "CREATE_TABLE_AS_SELECT")
        files = self.keys(folder + "/")
        self.assertEqual(len(files), 3)
        manifest = sorted(self.body(folder + "-manifest.csv").decode().split())
        self.assertEqual(manifest, sorted(f"s3://{self.lake}/{file}" for file in files))
        self.assertEqual(found["Statistics"]["DataManifestLocation"], f"s3://{self.lake}/{folder}-manifest.csv")
        results = self.athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])
        self.assertEqual(results["UpdateCount"], 100)
        table = self.glue.get_table(DatabaseName=self.database, Name="t")["Table"]
        columns = [(column["Name"], column["Type"]) for column in table["StorageDescriptor"]["Columns"]]
        self.assertEqual(columns, [("id", "bigint"), ("name", "string"), ("half", "double")])
        self.assertEqual(self.rows("SELECT count(*), sum(id), max(half) FROM t"), [["100", "5050", "50.0"]])
        self.sql("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS other")
        self.assertEqual(self.rows("SELECT count(*) FROM t"), [["100"]])
        self.sql("DROP TABLE t")
        self.assertEqual(len(self.keys(folder + "/")), 3, "dropping leaves the files")
        query = f"CREATE TABLE u WITH (external_location = 's3://{{lake}}/{folder}/') AS SELECT 1 AS a"
        self.fails(query, "HIVE_PATH_ALREADY_EXISTS")
        self.sql("CREATE TABLE e AS SELECT 1 AS a WHERE false")
        self.assertEqual(self.rows("SELECT * FROM e"), [])

    def test_a_query_that_fails_may_leave_files(self):
        self.fault("fail_after_write", "CREATE TABLE")
        status = self.fails("CREATE TABLE t AS SELECT 1 AS a", "Query exhausted resources")
        self.assertTrue(status["AthenaError"]["Retryable"])
        self.assertEqual(len(self.keys("by-hand/tables/")), 1)

    def test_partitions_and_text(self):
        self.sql(
            "CREATE TABLE p WITH (external_location = 's3://{lake}/p/', partitioned_by = ARRAY['y']) "
            "AS SELECT i, i % 2 AS y FROM UNNEST(sequence(1, 10)) AS s(i)"
        )
        self.assertEqual({key.split("/")[1] for key in self.keys("p/")}, {"y=0", "y=1"})
        self.assertEqual(self.rows("SELECT y, count(*) FROM p GROUP BY 1 ORDER BY 1"), [["0", "5"], ["1", "5"]])
        # What is not registered is not read.
        self.glue.delete_partition(DatabaseName=self.database, TableName="p", PartitionValues=["1"])
        self.assertEqual(self.rows("SELECT count(*) FROM p"), [["5"]])
        self.sql("MSCK REPAIR TABLE p")
        self.assertEqual(self.rows("SELECT count(*) FROM p"), [["10"]])
        self.sql(
            "CREATE TABLE x WITH (format = 'TEXTFILE', field_delimiter = ',', external_location = 's3://{lake}/txt/') "
            "AS SELECT 'a,b' AS s, 1 AS i, CAST(NULL AS varchar) AS n"
        )
        (file,) = self.keys("txt/")
        self.assertTrue(file.endswith(".gz"))
        self.assertEqual(gzip.decompress(self.body(file)), b"a,b,1,\\N\n")
        query = (
            "CREATE TABLE m WITH (partitioned_by = ARRAY['i']) AS SELECT 1 AS a, i "
            "FROM UNNEST(sequence(1, 101)) AS s(i)"
        )
        self.fails(query, "HIVE_TOO_MANY_OPEN_PARTITIONS")

    def test_unload_insert_views_and_locations(self):
        self.sql("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b")
        self.sql("INSERT INTO t SELECT 2, 'y'")
        self.assertEqual(sorted(self.rows("SELECT * FROM t")), [["1", "x"], ["2", "y"]])
        unload = "UNLOAD (SELECT * FROM t) TO 's3://{lake}/u/' WITH (format = 'PARQUET')"
        self.sql(unload)
        self.assertEqual(len(self.keys("u/")), 2)
        self.fails(unload, "HIVE_PATH_ALREADY_EXISTS")
        self.sql("CREATE OR REPLACE VIEW v AS SELECT a + 1 AS c FROM t")
        self.assertEqual(sorted(self.rows("SELECT c FROM v")), [["2"], ["3"]])
        self.sql("CREATE OR REPLACE VIEW v AS SELECT b FROM t WHERE a = 1")
        self.assertEqual(self.rows("SELECT * FROM v"), [["x"]])
        self.sql("ALTER TABLE t SET LOCATION 's3://{lake}/u/'")
        self.assertEqual(sorted(self.rows("SELECT * FROM t")), [["1", "x"], ["2", "y"]])
        self.assertEqual(self.rows("SHOW TABLES IN {d}"), [["t"], ["v"]])

"""COPY: objects, rows, the role that reads them."""

import gzip
import json
import uuid

import zstandard

from .warehouse import Case, iam, rows, s3, table_name

BUCKET = "redshift-" + uuid.uuid4().hex[:12]
ROLE = "redshift-reader-" + uuid.uuid4().hex[:8]
GOOD = (b'1,"a ""q"" ",12.345,2024-01-02 03:04:05.123456,2024-01-02,1\n2,"line\nbreak",\\N,\\N,\\N,\\N\n'
        b'3,"",-0.99,2024-01-02 00:00:00,2024-12-31,f\n4,"\\N",1,,,\n')


def setUpModule():
    global ARN
    s3.create_bucket(Bucket=BUCKET)
    ARN = make_role(ROLE, "redshift.amazonaws.com")
    bucket = f"arn:aws:s3:::{BUCKET}"
    statements = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/parts/*"},
                  {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket, "Condition": {"StringLike": {"s3:prefix": "parts/*"}}}]
    iam.put_role_policy(RoleName=ROLE, PolicyName="read", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))


def make_role(name, service):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]


def put(key, body, compress=gzip.compress):
    s3.put_object(Bucket=BUCKET, Key=key, Body=compress(body))
    return f"s3://{BUCKET}/{key}"


def manifest(key, *urls, **more):
    entries = [{"url": url, "mandatory": True, **more} for url in urls]
    return put(key, json.dumps({"entries": entries}).encode(), bytes)


class Copy(Case):
    def setUp(self):
        self.table = table_name()
        self.accepted(f"CREATE TABLE {self.table} (id BIGINT NOT NULL, name VARCHAR(10), amount DECIMAL(12,2), at TIMESTAMP, d DATE, ok BOOLEAN)")

    def copy(self, source, options="MANIFEST GZIP CSV", role=None):
        return f"COPY {self.table} FROM '{source}' IAM_ROLE '{role or ARN}' {options}"

    def count(self):
        return rows(f"SELECT count(*) FROM {self.table}")[0][0]

    def test_rows_are_as_redshift_would_have_them(self):
        self.accepted(self.copy(manifest("parts/a/m.json", put("parts/a/0.gz", GOOD))))
        # 12.345 is cut, not rounded; the marker in quotation marks is NULL.
        self.assertEqual(rows(f"SELECT id, name, amount, at, d, ok FROM {self.table} ORDER BY id"), [
            [1, 'a "q" ', "12.34", "2024-01-02 03:04:05.123456", "2024-01-02", True], [2, "line\nbreak", None, None, None, None],
            [3, "", "-0.99", "2024-01-02 00:00:00", "2024-12-31", False], [4, None, "1.00", None, None, None]])

    def test_zstd_in_two_frames(self):
        middle = GOOD.index(b"3,")
        frames = zstandard.compress(GOOD[:middle]) + zstandard.compress(GOOD[middle:])
        self.accepted(self.copy(put("parts/z/one.zst", frames, bytes), "ZSTD CSV"))
        self.assertEqual(self.count(), 4)

    def test_named_columns_and_a_marker_for_null(self):
        put("parts/n/0.csv", b'7,"NIL","\\N"\n', bytes)
        self.accepted(f"COPY {self.table} (id, amount, name) FROM 's3://{BUCKET}/parts/n/' IAM_ROLE '{ARN}' FORMAT CSV NULL AS 'NIL'")
        self.assertEqual(rows(f"SELECT id, amount, name, ok FROM {self.table}"), [[7, None, "\\N", None]])

    def test_a_prefix_takes_the_neighbour_too(self):
        put("parts/p/0.gz", GOOD)
        put("parts/p/0.gz.old", GOOD)
        self.accepted(self.copy(f"s3://{BUCKET}/parts/p/0.gz", "GZIP CSV"))
        self.assertEqual(self.count(), 8)

    def test_the_role_is_what_may_be_read(self):
        elsewhere = put("private/x.csv", b"9,a,1,,,\n", bytes)
        self.refused(self.copy(elsewhere, "CSV"), says="403")
        self.refused(self.copy(manifest("parts/e/m.json", elsewhere), "MANIFEST CSV"), says="403")
        other = make_role(ROLE + "-lambda", "lambda.amazonaws.com")
        for role in (other, "arn:aws:iam::000000000000:role/nobody-has-it"):
            self.refused(self.copy(elsewhere, "CSV", role), says="not authorized")

    def test_parts_that_are_gone(self):
        urls = put("parts/g/0.gz", GOOD), f"s3://{BUCKET}/parts/g/gone.gz"
        self.refused(self.copy(manifest("parts/g/m.json", *urls)), says="mandatory")
        # An optional one is passed over in silence.
        self.accepted(self.copy(manifest("parts/g/m2.json", *urls, mandatory=False)))
        self.assertEqual(self.count(), 4)

    def test_a_part_of_another_length(self):
        url = put("parts/l/0.gz", GOOD)
        self.refused(self.copy(manifest("parts/l/m.json", url, meta={"content_length": 3})), says="content_length")

    def test_rows_that_are_refused(self):
        for body, line, column, reason in (
            (b"1,a,1,,,,\n", 1, "", "Extra"), (b"1,a\n", 1, "", "Delimiter"), (b"x,a,1,,,\n", 1, "id", "Invalid digit"),
            (b"18446744073709551615,a,1,,,\n", 1, "id", "Overflow"), (b"1,a,1,,0000-00-00,\n", 1, "d", "Invalid date"),
            ("1,ééééé1,1,,,\n".encode(), 1, "name", "length exceeds"), (b"1,a,1,,,\n\\N,a,1,,,\n", 2, "id", "not-null"),
            (b"1,a,12345678901.00,,,\n", 1, "amount", "Numeric Overflow"), (b"1,\xff,1,,,\n", 1, "", "UTF8"),
            (b"1,a,1,838:59:59,,\n", 1, "at", "Invalid"), (b'1,"a"b,1,,,\n', 1, "", "quote"),
        ):
            with self.subTest(body):
                self.refused(self.copy(put("parts/bad/one.gz", body), "GZIP CSV"), says="sys_load_error_detail")
                told = rows("SELECT line_number, column_name, error_message FROM sys_load_error_detail ORDER BY start_time DESC LIMIT 1")
                self.assertEqual(told[0][:2], [line, column])
                self.assertIn(reason, told[0][2])
        self.assertEqual(self.count(), 0)

    def test_maxerror_drops_a_row_in_silence(self):
        self.accepted(self.copy(put("parts/x/0.gz", b"1,a,1,,,\nx,b,1,,,\n2,c,1,,,\n"), "GZIP CSV MAXERROR 2"))
        self.assertEqual(self.count(), 2)

    def test_options_that_are_refused(self):
        url = put("parts/o/0.gz", GOOD)
        for options, says in (("CSV", "compressed"), ("GZIP CSV FASTER", "syntax"), ("GZIP", "delimited"), ("CSV ESCAPE", "compatible"),
                              ("PARQUET", "stand-in"), ("GZIP ZSTD CSV", "only one"), ("ZSTD CSV", "decompressed")):
            self.refused(self.copy(url, options), says=says)
        self.refused(f"COPY {self.table} FROM '{url}' ACCESS_KEY_ID 'a' SECRET_ACCESS_KEY 'b' CSV", says="keys in a statement")
        self.refused(f"COPY {self.table} FROM '{url}' CSV", says="authorization")

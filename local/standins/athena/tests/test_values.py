"""Values: what expressions come to, and how they are written."""

from case import AthenaCase

# As measured on Athena, or as its manual has it.
EXPRESSIONS = [
    ("1.5", "1.5"),
    ("0.1 + 0.2", "0.30000000000000004"),
    ("1e20", "1.0E20"),
    ("1e-7", "1.0E-7"),
    ("CAST(100 AS double)", "100.0"),
    ("CAST(12345678.9 AS double)", "1.23456789E7"),
    ("CAST(0.001 AS double)", "0.001"),
    ("DECIMAL '1.50'", "1.50"),
    ("true", "true"),
    ("DATE '2020-01-02'", "2020-01-02"),
    ("TIMESTAMP '2020-01-02 03:04:05'", "2020-01-02 03:04:05.000"),
    ("''", ""),
    ("CAST(NULL AS varchar)", None),
    ("ARRAY[1, 2]", "[1, 2]"),
    ("ARRAY['a', NULL]", "[a, null]"),
    ("7 / 2", "3"),
    ("-7 / 2", "-3"),
    ("7 / 2.0", "3.5"),
    ("1e0 / 0", "Infinity"),
    ("7 % 4", "3"),
    ("count(*)", "1"),
    ("substr('hello', -6)", ""),
    ("substr('hello', -5)", "hello"),
    ("substr('hello', 1, length('hello') - 6)", ""),
    ("substr('hello', 2, 3)", "ell"),
    ("concat('a', CAST(NULL AS varchar))", None),
    ("'a' || 'b'", "ab"),
    ("regexp_extract('x (1995)', '\\((\\d{4})\\)', 1)", "1995"),
    ("regexp_extract('x', '\\d', 0)", None),
    ("try_cast('4.5' AS integer)", None),
    ("try_cast('x' AS double)", None),
    ("try_cast('' AS double)", None),
    ("try_cast(nullif('', '') AS double)", None),
    ("try_cast('4.5x' AS double)", None),
    ("cast('4.5f' AS double)", "4.5"),
    ("cast(' 4.5D ' AS double)", "4.5"),
    ("try_cast('NaN' AS double)", "NaN"),
    ("try_cast('-Infinity' AS double)", "-Infinity"),
    ("try_cast('1e999' AS double)", "Infinity"),
    ("abs(try_cast('-1e999' AS double)) > 1.7976931348623157E308", "true"),
    ("try_cast('-1.7976931348623157e308' AS double)", "-1.7976931348623157E308"),
    ("cast('7' AS bigint)", "7"),
    ("contains(split('Comedy|Sci-Fi', '|'), 'Sci-Fi')", "true"),
    ("regexp_like('Sci-Fi', 'Sci')", "true"),
    ("length('七人')", "2"),
    ("date_format(from_unixtime(964982703), '%Y-%m-%d')", "2000-07-30"),
    ("split_part('a|b', '|', 2)", "b"),
    ("coalesce(NULL, 'x')", "x"),
    ("cardinality(split('a|b|c', '|'))", "3"),
    ("sum(2)", "2"),
    ("avg(3)", "3.0"),
    ("date_diff('day', DATE '2020-01-01', DATE '2020-02-01')", "31"),
    ("regexp_replace('a  b', '\\s+', ' ')", "a b"),
    ("regexp_replace('aa', 'a', 'b')", "bb"),
    ("replace('aa', 'a', 'b')", "bb"),
    ("upper('é')", "É"),
]

PARAMETERS = [
    ("'abc'", "abc"),
    ("1 + 1", "2"),
    ("abc def", "abc def"),
    ("it's", "it's"),
    ("abc", "abc"),
    ("x + 1", "x + 1"),
    ("'it''s'", "it's"),
    ("123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    ("NULL", None),
]


class Values(AthenaCase):
    def test_expressions(self):
        started = [(self.start(f"SELECT {expression} AS v"), expression) for expression, _ in EXPRESSIONS]
        for (query_id, expression), (_, expected) in zip(started, EXPRESSIONS, strict=True):
            self.assertEqual(self.ended(query_id)["Status"]["State"], "SUCCEEDED", expression)
            row = self.athena.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"][1]["Data"][0]
            self.assertEqual(row.get("VarCharValue"), expected, expression)

    def test_parameters_are_expressions(self):
        for text, expected in PARAMETERS:
            self.assertEqual(self.value("?", text), expected, text)
        self.assertEqual(self.rows("SELECT '?' AS v, ? AS w -- ?\n", ExecutionParameters=["1"]), [["?", "1"]])
        status = self.fails("SELECT ?, ?", "INVALID_PARAMETER_USAGE", ExecutionParameters=["1"])
        self.assertEqual(status["AthenaError"]["ErrorCategory"], 2)
        self.assertEqual(self.rows("SELECT 1 AS v", ExecutionParameters=["7"]), [["1"]])

    def test_the_result_file_byte_for_byte(self):
        found, _ = self.sql(
            "SELECT 1 AS i, 'it''s' AS s, 'a\"b' AS q, CAST(NULL AS varchar) AS n, '' AS empty, ARRAY[1, 2] AS a, "
            "'x\ny' AS l"
        )
        output = found["ResultConfiguration"]["OutputLocation"]
        self.assertEqual(output, f"{self.output}{found['QueryExecutionId']}.csv")
        self.assertEqual(
            self.body(output), b'"i","s","q","n","empty","a","l"\n"1","it\'s","a""b",,"","[1, 2]","x\ny"\n'
        )
        self.assertIn(output.removeprefix(f"s3://{self.lake}/") + ".metadata", self.keys())
        found, _ = self.sql("SELECT 1 AS i WHERE false")
        self.assertEqual(self.body(found["ResultConfiguration"]["OutputLocation"]), b'"i"\n')

    def test_long_results_come_in_pages(self):
        rows = self.rows("SELECT i FROM UNNEST(sequence(1, 2500)) AS s(i) ORDER BY i")
        self.assertEqual([int(row[0]) for row in rows], list(range(1, 2501)))

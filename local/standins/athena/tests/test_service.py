"""The API: tokens, states, what is refused and what fails."""

import threading
from concurrent.futures import ThreadPoolExecutor

from case import AthenaCase

SEVERAL = 8


class Service(AthenaCase):
    def test_the_same_token_is_the_same_query_whatever_became_of_it(self):
        token = {"ClientRequestToken": f"{self.workgroup:0<40}"}
        first = self.start("SELECT 1", **token)
        self.assertEqual(self.start("SELECT 1", **token), first)
        # Parameters are not compared.
        self.assertEqual(self.start("SELECT 1", ExecutionParameters=["5"], **token), first)
        self.refused("Idempotent parameters do not match", self.start, query="SELECT 2", **token)
        self.refused("32", self.start, query="SELECT 1", ClientRequestToken="short")
        self.fault("fail", "SELECT 3")
        token = {"ClientRequestToken": f"{self.workgroup:1<40}"}
        failed = self.start("SELECT 3", **token)
        self.assertEqual(self.ended(failed)["Status"]["State"], "FAILED")
        self.assertEqual(self.start("SELECT 3", **token), failed)
        self.forget_tokens()
        self.assertNotEqual(self.start("SELECT 3", **token), failed)

    def test_of_several_with_one_token_at_once_one_runs(self):
        token, together = f"{self.workgroup:2<40}", threading.Barrier(SEVERAL)

        def start(_):
            together.wait()
            return self.start("SELECT 4", ClientRequestToken=token)

        with ThreadPoolExecutor(SEVERAL) as threads:
            self.assertEqual(len(set(threads.map(start, range(SEVERAL)))), 1)

    def test_what_is_refused_at_once(self):
        self.refused("", self.start, query="SELEC 1", code="MALFORMED_QUERY")
        self.refused("Only one sql statement", self.start, query="SELECT 1; SELECT 2")
        self.refused("External keyword", self.start, query="CREATE TABLE t (a int)")
        self.refused("WorkGroup is not found", self.start, query="SELECT 1", WorkGroup="nope")
        self.refused("No output location provided", self.start, query="SELECT 1", ResultConfiguration={})
        place = {"OutputLocation": "lake/q"}
        self.refused("not a valid S3 path", self.start, query="SELECT 1", ResultConfiguration=place)

    def test_a_workgroup_may_enforce_its_place_of_results(self):
        strict = f"{self.workgroup}-strict"
        place = {"OutputLocation": f"s3://{self.lake}/strict/"}
        # AWS enforces unless told otherwise.
        self.athena.create_work_group(Name=strict, Configuration={"ResultConfiguration": place})
        query = "CREATE TABLE t WITH (external_location = 's3://{lake}/t/') AS SELECT 1 a"
        self.refused("enforces a centralized output location", self.start, query=query, WorkGroup=strict)
        found, _ = self.sql("SELECT 1", WorkGroup=strict)
        self.assertTrue(found["ResultConfiguration"]["OutputLocation"].startswith(place["OutputLocation"]))

    def test_errors_of_queries(self):
        self.put("t/a.csv", "a,b\n1,x\n")
        self.sql(
            "CREATE EXTERNAL TABLE t (a string, b string) "
            "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' LOCATION 's3://{lake}/t/'"
        )
        message = f"TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{self.database}.nope' does not exist"
        self.assertEqual(
            self.fails("SELECT * FROM nope", "TABLE_NOT_FOUND")["AthenaError"],
            {"ErrorCategory": 2, "ErrorType": 1301, "Retryable": False, "ErrorMessage": message},
        )
        self.assertEqual(self.fails("SELECT nope FROM t", "COLUMN_NOT_FOUND")["AthenaError"]["ErrorType"], 1006)
        # DuckDB alone would take the alias.
        self.fails("SELECT b AS c, c AS e FROM t", "COLUMN_NOT_FOUND")
        self.fails("SELECT CAST(b AS integer) FROM t", "INVALID_CAST_ARGUMENT")
        self.fails("SELECT CAST('4.5' AS integer)", "INVALID_CAST_ARGUMENT")
        self.fails("SELECT 1 / 0", "DIVISION_BY_ZERO")
        self.fails("SELECT 1 % 0", "DIVISION_BY_ZERO")
        self.fails("SELECT list_contains(ARRAY[1], 1)", "FUNCTION_NOT_FOUND")
        self.fails("SELECT * FROM read_csv('/etc/hostname')", "")
        reason = "SYNTAX_ERROR: line 1:1: Column name not specified at position 2"
        self.fails("CREATE TABLE u AS SELECT a, count(*) FROM t GROUP BY 1", reason)
        self.fails("CREATE TABLE t AS SELECT 1 AS a", "TABLE_ALREADY_EXISTS")
        self.fails("CREATE TABLE nope.t AS SELECT 1 AS a", "SCHEMA_NOT_FOUND")

    def test_what_only_athena_can_is_never_made_up(self):
        status = self.fails("SELECT soundex('x')", "LOCAL_STAND_IN")
        self.assertEqual(status["AthenaError"]["ErrorCategory"], 3)

    def test_stopped_queries(self):
        self.fault("hold", "SELECT 11")
        query = self.start("SELECT 11")
        self.wait_for(query, "RUNNING")
        self.refused("has not yet finished", self.athena.get_query_results, QueryExecutionId=query)
        self.athena.stop_query_execution(QueryExecutionId=query)
        status = self.ended(query)["Status"]
        self.assertEqual((status["State"], status["StateChangeReason"]), ("CANCELLED", "Query cancelled by user"))
        self.refused("Could not find results", self.athena.get_query_results, QueryExecutionId=query)
        nobody = "00000000-0000-0000-0000-000000000000"
        self.refused("was not found", self.athena.get_query_execution, QueryExecutionId=nobody)

    def test_a_held_query_goes_on_when_it_is_released(self):
        self.fault("hold", "SELECT 12")
        query = self.start("SELECT 12")
        self.wait_for(query, "RUNNING")
        self.release()
        self.assertEqual(self.ended(query)["Status"]["State"], "SUCCEEDED")

    def test_copies_may_be_made_only_over_a_certain_version(self):
        def copy(**over):
            source = {"Bucket": self.lake, "Key": "from"}
            return self.s3.copy_object(Bucket=self.lake, Key="to", CopySource=source, **over)

        self.put("from", "a")
        self.refused("NoSuchKey", copy, IfMatch='"0"')
        etag = copy(IfNoneMatch="*")["CopyObjectResult"]["ETag"]
        self.refused("PreconditionFailed", copy, IfNoneMatch="*")
        self.refused("PreconditionFailed", copy, IfMatch='"0"')
        copy(IfMatch=etag)

    def test_success_does_not_prove_the_file(self):
        # So it was measured: who needs the file must look.
        self.sql("SELECT 1", ResultConfiguration={"OutputLocation": f"s3://no-{self.lake}/x/"})

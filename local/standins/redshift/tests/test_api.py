"""Rules of the calls themselves."""

import uuid

from botocore.exceptions import ClientError

from .warehouse import PLACE, Case, api, batch, rows, settings, table_name, wait


class Api(Case):
    def setUp(self):
        self.table = table_name()
        self.accepted(f"CREATE TABLE {self.table} (id INT)")
        self.addCleanup(settings, faults={}, max_active=200)

    def fails(self, kind, call):
        with self.assertRaises(ClientError) as caught:
            call()
        self.assertEqual(caught.exception.response["Error"]["Code"], kind)

    def test_refused(self):
        execute, invalid, missing = api.execute_statement, "ValidationException", "ResourceNotFoundException"
        for kind, call in (
            (invalid, lambda: api.batch_execute_statement(Sqls=["SELECT 1"] * 41, **PLACE)),
            (invalid, lambda: execute(Sql="SELECT '" + "x" * 100_001 + "'", **PLACE)),
            (invalid, lambda: execute(Sql="SELECT 1", WorkgroupName="warehouse", Database="")),
            (invalid, lambda: execute(Sql="SELECT 1", ClusterIdentifier="c", **PLACE)),
            (invalid, lambda: execute(Sql="SELECT 1", DbUser="u", **PLACE)),
            (invalid, lambda: execute(Sql="SELECT 1", WaitTimeSeconds=31, **PLACE)),
            (missing, lambda: api.describe_statement(Id=str(uuid.uuid4()))),
            (missing, lambda: api.get_statement_result(Id=batch(f"DELETE FROM {self.table}")["Id"] + ":1")),
            (invalid, lambda: api.get_statement_result(Id=batch("SELECT 1")["Id"])),
            (missing, lambda: api.describe_statement(Id=batch("SELECT 1")["Id"] + ":2")),
        ):
            self.fails(kind, call)

    def test_one_token_is_one_statement(self):
        token = uuid.uuid4().hex
        insert = [f"INSERT INTO {self.table} VALUES (6)"]
        ids = {api.batch_execute_statement(Sqls=insert, ClientToken=token, **PLACE)["Id"] for _ in range(3)}
        self.assertEqual(len(ids), 1)
        wait(ids.pop())
        self.assertEqual(rows(f"SELECT count(*) FROM {self.table}"), [[1]])

    def test_a_lost_answer_is_asked_for_again_and_runs_once(self):
        for value, token in ((7, {"ClientToken": uuid.uuid4().hex}), (8, {})):
            settings(faults={"BatchExecuteStatement": ["lose_answer"]})
            found = batch(f"INSERT INTO {self.table} VALUES ({value})", **token)
            self.assertEqual(found["Status"], "FINISHED")
            # The SDK makes a token of its own where none is given.
            self.assertEqual(rows(f"SELECT count(*) FROM {self.table} WHERE id = {value}"), [[1]])

    def test_the_quota_reaches_the_caller(self):
        settings(max_active=0)
        self.fails("ActiveStatementsExceededException", lambda: batch("SELECT 1"))

    def test_parameters(self):
        found = batch(f"INSERT INTO {self.table} VALUES (:x)", "SELECT ':x'", Parameters=[{"name": "x", "value": "5"}])
        self.assertEqual(found["Status"], "FINISHED", found.get("Error"))
        self.assertEqual(rows(f"SELECT id FROM {self.table}"), [[5]])

    def test_cancel(self):
        # Long enough for any machine; the cancel is sent only once it is seen to run.
        slow = "SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d, pg_class e"
        started = api.execute_statement(Sql=slow, **PLACE)["Id"]
        while api.describe_statement(Id=started)["Status"] != "STARTED":
            pass
        api.cancel_statement(Id=started)
        self.assertEqual(wait(started)["Status"], "ABORTED")
        self.fails("ValidationException", lambda: api.cancel_statement(Id=started))

"""Several writers of one table at once."""

from .warehouse import PLACE, Case, api, rows, settings, table_name, wait

# Longer than any test: it is cancelled.
ENDLESS = "SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d, pg_class e"


class Writers(Case):
    def setUp(self):
        self.table = table_name()
        self.accepted(*(f"CREATE TABLE {self.table}{suffix} (id INT, v INT)" for suffix in ("", "_lock", "_gate")))
        self.addCleanup(settings, isolation="snapshot")

    def upserts(self, first):
        """Three upserts of the keys 1 and 2, each with `first` as its first statement. None writes before all have got past that, or
        wait in it. Returns how each ended."""
        t = self.table
        gate = api.batch_execute_statement(Sqls=[f"LOCK {t}_gate", ENDLESS], **PLACE)["Id"]
        self.parts(gate, lambda parts: parts[1]["Status"] == "STARTED")
        ids = [api.batch_execute_statement(Sqls=[
            first, f"LOCK {t}_gate", f"CREATE TEMP TABLE s (LIKE {t})", f"INSERT INTO s VALUES (1, {v}), (2, {v})",
            f"DELETE FROM {t} USING s WHERE {t}.id = s.id", f"INSERT INTO {t} SELECT * FROM s"], **PLACE)["Id"] for v in (1, 2, 3)]
        for identifier in ids:
            self.parts(identifier, lambda parts: parts[0]["Status"] != "SUBMITTED")
        if not first.startswith("LOCK"):
            for identifier in ids:
                self.parts(identifier, lambda parts: parts[0]["Status"] == "FINISHED")
        api.cancel_statement(Id=gate)
        return [wait(identifier) for identifier in ids]

    @staticmethod
    def parts(identifier, hold):
        while not hold(api.describe_statement(Id=identifier)["SubStatements"]):
            pass

    def keys(self):
        return rows(f"SELECT id, count(*) FROM {self.table} GROUP BY 1 ORDER BY 1")

    def test_with_a_lock_table_first_all_succeed_once(self):
        for isolation in ("snapshot", "serializable"):
            settings(isolation=isolation)
            ended = self.upserts(f"LOCK {self.table}_lock")
            self.assertEqual([e["Status"] for e in ended], ["FINISHED"] * 3, [e.get("Error") for e in ended])
            self.assertEqual(self.keys(), [[1, 1], [2, 1]])

    def test_snapshot_isolation_alone_lets_a_key_in_three_times(self):
        settings(isolation="snapshot")
        ended = self.upserts("SELECT 1")
        self.assertEqual([e["Status"] for e in ended], ["FINISHED"] * 3, [e.get("Error") for e in ended])
        self.assertEqual(self.keys(), [[1, 3], [2, 3]])

    def test_serializable_isolation_alone_lets_one_through(self):
        settings(isolation="serializable")
        ended = self.upserts("SELECT 1")
        errors = [e["Error"] for e in ended if e["Status"] == "FAILED"]
        self.assertEqual(len(errors), 2)
        self.assertTrue(all("1023" in error for error in errors), errors)
        self.assertEqual(self.keys(), [[1, 1], [2, 1]])

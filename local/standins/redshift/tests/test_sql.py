"""DDL, queries and transactions."""

from .warehouse import Case, batch, rows, table_name

TABLE = """CREATE TABLE {t} (id BIGINT NOT NULL ENCODE az64, name VARCHAR(10) ENCODE zstd, amount DECIMAL(12,2), at TIMESTAMP,
  ok BOOLEAN DEFAULT false, note VARCHAR(MAX), doc SUPER, raw VARBYTE(10), c CHAR(3), PRIMARY KEY (id))
  DISTSTYLE KEY DISTKEY (id) COMPOUND SORTKEY (at, id)"""


class Sql(Case):
    def setUp(self):
        self.table = table_name()
        self.accepted(TABLE.format(t=self.table))

    def test_refused(self):
        t = self.table
        for text, says in (
            (f"INSERT INTO {t} (name) VALUES ('x')", "null"),
            (f"INSERT INTO {t} (id, name) VALUES (2, 'éééééé')", "too long"),
            (f"INSERT INTO {t} (id, c) VALUES (2, 'é')", "character type"),
            ("CREATE TABLE x1 (a DECIMAL(65,30))", "precision 65"),
            ("CREATE TABLE x1 (a VARCHAR(70000))", "65535"),
            ("CREATE TABLE x1 (a JSON)", "unsupported"),
            ("CREATE TABLE x1 (a INT CHECK (a > 0))", "CHECK"),
            (f"CREATE INDEX i ON {t} (id)", "not supported"),
            (f"ALTER TABLE {t} APPEND FROM {t}", "transaction block"),
            (f"VACUUM {t}", "transaction block"),
            (f"INSERT INTO {t} (id) VALUES (1) ON CONFLICT DO NOTHING", "syntax"),
            (f"DELETE FROM {t} WHERE id = 9 RETURNING id", "syntax"),
            (f"SELECT DISTINCT ON (id) id FROM {t}", "syntax"),
            (f"SELECT 1 FROM {t} WHERE id IS DISTINCT FROM 1", "syntax"),
            (f"SELECT id FROM {t} FOR UPDATE", "syntax"),
            (f"SELECT COUNT(*) FILTER (WHERE id > 1) FROM {t}", "syntax"),
            ("SELECT * FROM (VALUES (1), (2)) AS v (x)", "syntax"),
            ("SELECT * FROM generate_series(1, 3)", "generate_series"),
            (f"SELECT STRING_AGG(name, ',') FROM {t}", "does not exist"),
            (f"DELETE FROM {t} AS x WHERE x.id = 1", "syntax"),
            (f"DELETE FROM {t}; DELETE FROM {t}", "multiple"),
            (f"MERGE INTO {t} USING {t} s ON {t}.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name", "syntax"),
            ("BEGIN", "transaction of its own"),
            ("UNLOAD ('SELECT 1') TO 's3://b/k' IAM_ROLE 'r'", "stand-in"),
        ):
            with self.subTest(text):
                self.refused(text, says=says)

    def test_a_key_is_declared_and_not_enforced(self):
        t = self.table
        self.accepted(f"INSERT INTO {t} (id, name) VALUES (1, 'a')", f"INSERT INTO {t} (id, name) VALUES (1, 'b')")
        self.assertEqual(rows(f"SELECT count(*) FROM {t} WHERE id = 1"), [[2]])
        # And what removes a duplicate.
        self.accepted(f"CREATE TEMP TABLE s (LIKE {t})",
                      f"INSERT INTO s (id, name) SELECT id, name FROM {t} QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY name) = 1",
                      f"DELETE FROM {t} USING s WHERE {t}.id = s.id", f"INSERT INTO {t} SELECT * FROM s")
        self.assertEqual(rows(f"SELECT count(*), max(name) FROM {t}"), [[1, "a"]])

    def test_merge_removing_duplicates(self):
        t = self.table
        self.accepted(f"INSERT INTO {t} (id, name) VALUES (1, 'old'), (2, 'stays')", f"CREATE TABLE {t}_new (LIKE {t})",
                      f"INSERT INTO {t}_new (id, name) VALUES (1, 'new'), (1, 'new')",
                      f"MERGE INTO {t} USING {t}_new ON {t}.id = {t}_new.id REMOVE DUPLICATES")
        self.assertEqual(rows(f"SELECT id, name FROM {t} ORDER BY id"), [[1, "new"], [2, "stays"]])

    def test_functions_that_three_databases_share(self):
        found = rows("SELECT NVL(NULL, 1), MD5('a'), STRTOL(LEFT(MD5('a'), 8), 16), LEN('é'), OCTET_LENGTH('é')")
        self.assertEqual(found, [[1, "0cc175b9c0f1b6a831c399e269772661", 0x0CC175B9, 1, 2]])

    def test_a_batch_is_one_transaction(self):
        t = self.table
        self.accepted(f"INSERT INTO {t} (id) VALUES (1)")
        self.refused(f"DELETE FROM {t}", "SELECT 1/0", says="division")
        self.assertEqual(rows(f"SELECT count(*) FROM {t}"), [[1]])
        found = batch(f"INSERT INTO {t} (id) VALUES (77)", f"SELECT CAST('sluice:rows:' || count(*) AS INT) FROM {t}", f"DELETE FROM {t}")
        self.assertEqual([part["Status"] for part in found["SubStatements"]], ["FINISHED", "FAILED", "ABORTED"])
        self.assertIn("sluice:rows:2", found["Error"])

    def test_truncate_commits_what_came_before(self):
        t = self.table
        self.refused(f"INSERT INTO {t} (id) VALUES (5)", f"TRUNCATE {t}", "SELECT 1/0", says="division")
        self.assertEqual(rows(f"SELECT count(*) FROM {t}"), [[0]])

    def test_another_database_is_not_there(self):
        from .warehouse import api, wait
        found = wait(api.execute_statement(Sql="SELECT 1", WorkgroupName="warehouse", Database="nobody_made_it")["Id"])
        self.assertEqual(found["Status"], "FAILED")
        self.assertIn("does not exist", found["Error"])

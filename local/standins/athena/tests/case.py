"""What the tests of the stand-in have in common: a bucket, a database and a workgroup of each test's own.

They run against the local AWS at AWS_ENDPOINT_URL, which others may use meanwhile.
"""

import itertools
import json
import os
import time
import unittest
import urllib.request

import boto3
from botocore.config import Config

REGION = "us-east-1"
_NUMBERS = itertools.count()


class AthenaCase(unittest.TestCase):
    """`{lake}` and `{d}` in the SQL of a test stand for its bucket and its database."""

    maxDiff = None

    def setUp(self):
        number = f"{os.getpid()}-{next(_NUMBERS)}"
        self.lake, self.workgroup, self.database = f"lake-{number}", f"test-{number}", f"d{number.replace('-', '_')}"
        session = boto3.Session("test", "test", region_name=REGION)
        config = Config(retries={"max_attempts": 1})
        self.s3, self.athena, self.glue = (
            session.client(name, endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=config)
            for name in ("s3", "athena", "glue")
        )
        self.s3.create_bucket(Bucket=self.lake)
        self.output = f"s3://{self.lake}/by-hand/"
        self.athena.create_work_group(Name=self.workgroup, Configuration={"EnforceWorkGroupConfiguration": False})
        self.glue.create_database(DatabaseInput={"Name": self.database})

    # Queries

    def start(self, query, **more):
        """The id of a query that was accepted."""
        arguments = {
            "QueryString": query.replace("{d}", self.database).replace("{lake}", self.lake),
            "QueryExecutionContext": {"Database": self.database},
            "WorkGroup": self.workgroup,
            "ResultConfiguration": {"OutputLocation": self.output},
            **more,
        }
        return self.athena.start_query_execution(**arguments)["QueryExecutionId"]

    def ended(self, query_id):
        """The query, once it is over."""
        return self.wait_for(query_id, "SUCCEEDED", "FAILED", "CANCELLED")

    def wait_for(self, query_id, *states):
        """The query, once it is in one of these states."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if found["Status"]["State"] in states:
                return found
            time.sleep(0.02)
        raise AssertionError(f"the query is never {states}, but {found['Status']}")

    def sql(self, query, **more):
        """A query that must do its work: the query, and its rows without the header."""
        found = self.ended(self.start(query, **more))
        self.assertEqual(found["Status"]["State"], "SUCCEEDED", (query, found["Status"]))
        rows = []
        pages = self.athena.get_paginator("get_query_results")
        for page in pages.paginate(QueryExecutionId=found["QueryExecutionId"]):
            rows += [[datum.get("VarCharValue") for datum in row["Data"]] for row in page["ResultSet"]["Rows"]]
        return found, rows[1:] if found["SubstatementType"] == "SELECT" else rows

    def rows(self, query, **more):
        return self.sql(query, **more)[1]

    def value(self, expression, *parameters):
        """The text of one value."""
        more = {"ExecutionParameters": list(parameters)} if parameters else {}
        return self.rows(f"SELECT {expression} AS v", **more)[0][0]

    def fails(self, query, reason, **more):
        """A query that must fail, with a reason that begins so: its status."""
        status = self.ended(self.start(query, **more))["Status"]
        self.assertEqual(status["State"], "FAILED", query)
        self.assertTrue(status["StateChangeReason"].startswith(reason), status["StateChangeReason"])
        return status

    def refused(self, message, call, code=None, **arguments):
        """A call that must be refused, with this in its message."""
        with self.assertRaises(Exception) as raised:
            call(**arguments)
        self.assertIn(message, str(raised.exception))
        if code:
            self.assertEqual(raised.exception.response.get("AthenaErrorCode"), code)

    # Faults

    def fault(self, kind, match="", **more):
        """Something shall go wrong with the next query of this test that matches."""
        self._ask("LocalFault", {"Kind": kind, "Match": match, **more})

    def release(self):
        """Nothing shall go wrong any more, and what is held goes on."""
        self._ask("LocalFault", {"Kind": "clear"})

    def forget_tokens(self):
        self._ask("LocalForgetTokens", {})

    def _ask(self, action, data):
        scope = f"20260101/{REGION}/athena/aws4_request"
        headers = {
            "X-Amz-Target": f"AmazonAthena.{action}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders=host, Signature=0",
        }
        body = json.dumps({"WorkGroup": self.workgroup, **data}).encode()
        urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers)).read()

    # Objects

    def put(self, key, body):
        self.s3.put_object(Bucket=self.lake, Key=key, Body=body if isinstance(body, bytes) else body.encode())

    def keys(self, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.lake, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def body(self, key):
        return self.s3.get_object(Bucket=self.lake, Key=key.removeprefix(f"s3://{self.lake}/"))["Body"].read()

"""Clients, and the usual ways to ask."""

import json
import os
import unittest
import urllib.request
import uuid

import boto3
from botocore.config import Config

DATABASE = os.environ["REDSHIFT_DATABASE"]
PLACE = {"WorkgroupName": "warehouse", "Database": DATABASE}
COMMON = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
CONFIG = Config(retries={"max_attempts": 4, "mode": "standard"}, read_timeout=60)
ENDED = ("FINISHED", "FAILED", "ABORTED")

api = boto3.client("redshift-data", endpoint_url=os.environ["AWS_ENDPOINT_URL_REDSHIFT_DATA"], config=CONFIG, **COMMON)
s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], **COMMON)
iam = boto3.client("iam", endpoint_url=os.environ["AWS_ENDPOINT_URL"], **COMMON)


def wait(identifier):
    while True:
        found = api.describe_statement(Id=identifier, WaitTimeSeconds=30)
        if found["Status"] in ENDED:
            return found


def batch(*texts, **more):
    return wait(api.batch_execute_statement(Sqls=list(texts), **PLACE, **more)["Id"])


def rows(text):
    found = batch(text)
    assert found["Status"] == "FINISHED", found.get("Error")
    result = api.get_statement_result(Id=found["Id"] + ":1")
    return [[None if "isNull" in field else next(iter(field.values())) for field in record] for record in result["Records"]]


def settings(**changed):
    body = json.dumps({"database": DATABASE, **changed}).encode()
    urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL_REDSHIFT_DATA"] + "/_settings", body))


def table_name():
    return "t_" + uuid.uuid4().hex[:8]


class Case(unittest.TestCase):
    maxDiff = None

    def accepted(self, *texts):
        found = batch(*texts)
        self.assertEqual(found["Status"], "FINISHED", found.get("Error"))
        return found

    def refused(self, *texts, says):
        found = batch(*texts)
        self.assertEqual(found["Status"], "FAILED", texts)
        self.assertIn(says.lower(), found["Error"].lower())
        return found

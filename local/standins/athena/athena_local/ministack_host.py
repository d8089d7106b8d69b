"""S3, Glue and permissions as the engine sees them: those of ministack."""

import json


class MinistackHost:
    """S3 and Glue as ministack has them in memory."""

    def __init__(self):
        from ministack import app
        from ministack.core import responses, router
        from ministack.services import athena, glue, s3

        self._athena, self._glue, self._s3, self._responses, self._router = athena, glue, s3, responses, router
        self._auth = app.AUTH

    def arn(self, service, resource):
        return f"arn:aws:{service}:{self._responses.get_region()}:{self._responses.get_account_id()}:{resource}"

    def caller(self, headers, query):
        return self._router.extract_access_key_id(headers, query)

    def allows(self, caller, action, arn):
        if not self._auth or not caller:
            return True
        from ministack.core.iam_evaluator import enforce

        service = action.split(":")[0]
        return enforce(caller, action, service, self._responses.get_region(), resource_arn=arn) is None

    # S3

    def list(self, bucket, prefix):
        found = self._s3._buckets.get(bucket)
        objects = {} if found is None else found["objects"]
        return sorted((key, record["size"]) for key, record in list(objects.items()) if key.startswith(prefix))

    def get(self, bucket, key):
        return self._s3._get_object_data(bucket, key) or b""

    def put(self, bucket, key, body, content_type):
        if self._s3._buckets.get(bucket) is not None:
            self._s3._put_object(bucket, key, body, {"content-type": content_type, "content-length": str(len(body))})

    # Glue

    def _call(self, name, data):
        status, _, body = getattr(self._glue, name)(data)
        return None if status >= 300 else json.loads(body or b"{}")

    def get_databases(self):
        return list(self._glue._databases)

    def get_database(self, name):
        answer = self._call("_get_database", {"Name": name})
        return answer and answer["Database"]

    def create_database(self, name):
        return self._call("_create_database", {"DatabaseInput": {"Name": name}}) is not None

    def delete_database(self, name):
        return self._call("_delete_database", {"Name": name}) is not None

    def get_tables(self, database):
        return self._call("_get_tables", {"DatabaseName": database})["TableList"]

    def get_table(self, database, name):
        answer = self._call("_get_table", {"DatabaseName": database, "Name": name})
        return answer and answer["Table"]

    def create_table(self, database, made):
        return self._call("_create_table", {"DatabaseName": database, "TableInput": made}) is not None

    def update_table(self, database, made):
        return self._call("_update_table", {"DatabaseName": database, "TableInput": made}) is not None

    def delete_table(self, database, name):
        return self._call("_delete_table", {"DatabaseName": database, "Name": name}) is not None

    def get_partitions(self, database, name):
        return self._call("_get_partitions", {"DatabaseName": database, "TableName": name})["Partitions"]

    def create_partition(self, database, name, partition, location):
        storage = {**self.get_table(database, name)["StorageDescriptor"], "Location": location}
        return (
            self._call(
                "_create_partition",
                {
                    "DatabaseName": database,
                    "TableName": name,
                    "PartitionInput": {"Values": partition, "StorageDescriptor": storage},
                },
            )
            is not None
        )

    def delete_partition(self, database, name, partition):
        self._call("_delete_partition", {"DatabaseName": database, "TableName": name, "PartitionValues": partition})

    def workgroup(self, name):
        self._athena._ensure_default_workgroup()
        return self._athena._workgroups.get(name)

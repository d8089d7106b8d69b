"""ministack with this Athena in place of its own: `python -m athena_local.ministack_plugin` in place of `ministack`.

Everything else stays ministack's: S3, Glue, IAM, CloudFormation, Step Functions, Lambda. In one process, because then a
query may touch only what its caller may, as on AWS; and there is no second port, and no second variable for it.

It replaces three functions of ministack by name, and so refuses to start with other versions than these:
- services.athena.handle_request: the operations that service.py has; workgroups and the rest stay;
- core.iam_actions.extract_resource_arn: what a call of Glue or Athena is checked against;
- services.s3._copy_object: a copy only over a certain version, by If-Match and If-None-Match.
"""

import asyncio
import contextvars
import importlib.metadata
import json
import os

from .errors import ApiError
from .ministack_host import MinistackHost
from .service import Athena

_VERSIONS = {"ministack": "1.5.33", "duckdb": "1.5.5", "sqlglot": "30.30.0"}


def install():
    """Puts it in the place of ministack's own."""
    for package, version in _VERSIONS.items():
        found = importlib.metadata.version(package)
        if found != version:
            raise SystemExit(f"the stand-in for Athena was written against {package} {version}, and finds {found}")
    host = MinistackHost()
    service = Athena(
        host,
        _in_context,
        writers=int(os.environ.get("ATHENA_LOCAL_WRITERS", "3")),
        delay=float(os.environ.get("ATHENA_LOCAL_DELAY", "0.05")),
    )
    _replace_api(service, host)
    _replace_resources(service)
    _replace_copy()


def _in_context(work):
    """Account, region and caller of a request hold in the thread that works for it as well."""
    context = contextvars.copy_context()
    return lambda: context.run(work)


def _replace_api(service, host):
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import athena as theirs

    their_handler = theirs.handle_request

    async def handle_request(method, path, headers, body, query):
        action = headers.get("x-amz-target", "").split(".")[-1]
        try:
            data = json.loads(body) if body else {}
            # Parsing and table look-ups may take a moment: not on the loop.
            answer = await asyncio.to_thread(service.call, action, data, host.caller(headers, query))
        except ApiError as error:
            extra = {"AthenaErrorCode": error.athena_code, "ErrorCode": error.athena_code} if error.athena_code else {}
            status = 500 if error.code == "InternalServerException" else 400
            return error_response_json(error.code, error.message, status, extra={"Message": error.message, **extra})
        if answer is None:
            return await their_handler(method, path, headers, body, query)
        return json_response(answer)

    theirs.handle_request = handle_request


def _replace_resources(service):
    """ministack names a database as if it were a table, and knows no workgroup of a query."""
    from ministack.core import iam_actions

    their_arn = iam_actions.extract_resource_arn

    def extract_resource_arn(kind, method, path, headers, body, query, region, account):
        named = None
        if kind in ("glue", "athena"):
            action = headers.get("x-amz-target", "").split(".")[-1]
            data = json.loads(body or b"{}")
            named = _glue_resource(action, data) if kind == "glue" else _athena_resource(service, action, data)
        if named:
            return f"arn:aws:{kind}:{region}:{account}:{named}"
        return their_arn(kind, method, path, headers, body, query, region, account)

    iam_actions.extract_resource_arn = extract_resource_arn


def _replace_copy():
    """ministack looks at conditions about what is at a place when something is put there, and not when it is copied."""
    from ministack.services import s3

    their_copy = s3._copy_object

    def copy_object(bucket, key, headers):
        there = (s3._buckets.get(bucket) or {}).get("objects", {}).get(key)
        return s3._check_put_preconditions(headers, there) or their_copy(bucket, key, headers)

    s3._copy_object = copy_object


def _athena_resource(service, action, data):
    query_id = data.get("QueryExecutionId") or next(iter(data.get("QueryExecutionIds") or []), None)
    named = service.workgroup_of(query_id) or data.get("WorkGroup")
    if named is None and "Query" in action:
        named = "primary"
    return named and f"workgroup/{named}"


def _glue_resource(action, data):
    if action in ("GetDatabase", "DeleteDatabase", "UpdateDatabase"):
        return f"database/{data.get('Name')}"
    if action == "CreateDatabase":
        return f"database/{(data.get('DatabaseInput') or {}).get('Name')}"
    table = data.get("TableName") or data.get("Name") or (data.get("TableInput") or {}).get("Name")
    database = data.get("DatabaseName")
    return f"table/{database}/{table}" if database and table else None


if __name__ == "__main__":
    install()
    from ministack.app import main

    main()

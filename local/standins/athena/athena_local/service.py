"""Athena's API: accepts queries, runs them aside, and answers for them."""

import json
import re
import threading
import time
import traceback

from . import statements, translate, values
from .access import split
from .engine import Engine
from .errors import ApiError, NotHere, QueryError, invalid
from .execution import TERMINAL, Execution, Faults

# How many queries run at once; others wait, as they do in Athena.
_AT_ONCE = 4


class Athena:
    """The service.

    `in_context` carries the host's request context over to another thread; `writers`: how many files a statement writes
    at most; `delay`: seconds in which a query is QUEUED.
    """

    def __init__(self, host, in_context, writers, delay):
        self.host, self.in_context, self.delay = host, in_context, delay
        self.engine, self.faults = Engine(host, writers), Faults()
        self._executions, self._tokens, self._lock = {}, {}, threading.Lock()
        self._turns = threading.Semaphore(_AT_ONCE)

    def call(self, action, data, caller):
        """The answer to an API call; raises ApiError. None: not one of ours."""
        handler = {
            "StartQueryExecution": self.start,
            "GetQueryExecution": self.get,
            "GetQueryResults": self.results,
            "StopQueryExecution": self.stop,
            "ListQueryExecutions": self.list,
            "BatchGetQueryExecution": self.batch_get,
            "LocalFault": self.add_fault,
            "LocalForgetTokens": self.forget_tokens,
        }.get(action)
        return None if handler is None else handler(data, caller)

    # Queries

    def start(self, data, caller):
        sql = data.get("QueryString") or ""
        if not 1 <= len(sql) <= 262144:
            raise invalid(
                "1 validation error detected: Value at 'queryString' failed to satisfy constraint: "
                "Member must have length less than or equal to 262144"
            )
        name = data.get("WorkGroup") or "primary"
        if self.faults.take("throttle", sql, name):
            raise ApiError(
                "TooManyRequestsException",
                "You have exceeded the limit for the number of queries you can run concurrently. Please reduce the "
                "number of concurrent queries submitted by this account. Contact customer support to request a "
                "concurrent query limit increase.",
            )
        token = data.get("ClientRequestToken")
        if token is None:
            raise invalid("clientRequestToken is null or empty")
        if not 32 <= len(token) <= 128:
            bound = "greater than or equal to 32" if len(token) < 32 else "less than or equal to 128"
            raise invalid(
                "1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: "
                f"Member must have length {bound}"
            )
        with self._lock:
            known = self._executions.get(self._tokens.get(token))
        if known is not None:
            return self._again(known, data)
        enforced, base, cutoff = self._settings(name, data, caller)
        sql, refused = self._bound(sql, data.get("ExecutionParameters"))
        statement = statements.read(sql) if refused is None else statements.Statement("SELECT")
        if statement.kind == "CTAS" and enforced and "external_location" in statement.properties:
            raise invalid(
                "The Create Table As Select query failed because it was submitted with an 'external_location' property "
                "to an Athena Workgroup that enforces a centralized output location for all queries. Please remove the "
                "'external_location' property and resubmit the query."
            )
        execution = Execution(data, statement, name, base, caller, cutoff, self.faults)
        with self._lock:
            twin = self._executions.get(self._tokens.get(token))
            if twin is None:
                self._executions[execution.query_id] = execution
                self._tokens[token] = execution.query_id
        if twin is not None:
            return self._again(twin, data)
        work = self.in_context(lambda: self._work(execution, refused))
        # Not a pool: one that is held must keep neither others nor the end of the process waiting.
        threading.Thread(target=work, name=f"athena-{execution.query_id}", daemon=True).start()
        if execution.take("lose_answer"):
            raise ApiError("InternalServerException", "the answer was lost; the query runs")
        return {"QueryExecutionId": execution.query_id}

    def _settings(self, name, data, caller):
        """Of the workgroup: whether its place of results is enforced, which place holds, and the limit of bytes."""
        workgroup = self.host.workgroup(name)
        if workgroup is None:
            raise invalid("WorkGroup is not found.")
        if workgroup.get("State", "ENABLED") != "ENABLED":
            raise invalid(f"WorkGroup {name} is disabled.")
        configuration = workgroup.get("Configuration") or {}
        # AWS enforces unless told otherwise.
        enforced = str(configuration.get("EnforceWorkGroupConfiguration", name != "primary")).lower() == "true"
        theirs = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
        ours = (data.get("ResultConfiguration") or {}).get("OutputLocation")
        base = theirs if enforced and theirs else ours or theirs
        if not base:
            raise invalid(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", base):
            raise invalid("outputLocation is not a valid S3 path.")
        base = base.rstrip("/") + "/"
        bucket, _ = split(base)
        if not self.host.allows(caller, "s3:GetBucketLocation", f"arn:aws:s3:::{bucket}"):
            raise invalid(f"Unable to verify/create output bucket {bucket}")
        return enforced and bool(theirs), base, int(configuration.get("BytesScannedCutoffPerQuery") or 0)

    def _bound(self, sql, parameters):
        try:
            return translate.bind(sql, parameters or []), None
        except QueryError as error:
            return sql, error

    def _again(self, known, data):
        """The same token: the same query, whatever became of it.

        Parameters and workgroup are not compared: so it was measured.
        """

        def identity(request):
            return (
                request.get("QueryString"),
                (request.get("QueryExecutionContext") or {}).get("Database"),
                (request.get("ResultConfiguration") or {}).get("OutputLocation"),
            )

        if identity(known.request) != identity(data):
            raise invalid("Idempotent parameters do not match", "IDEMPOTENT_PARAMETER_MISMATCH")
        return {"QueryExecutionId": known.query_id}

    def _work(self, execution, refused):
        try:
            time.sleep(self.delay)
            with self._lock:
                execution.stop_if_cancelled()
                execution.state = "RUNNING"
            requeue = execution.take("requeue")
            if requeue:
                self._fail_for_a_time(execution, requeue.get("Seconds", 1))
            execution.wait_while_held()
            if refused is not None:
                raise refused
            if execution.fault("fail"):
                raise execution.fault_error()
            with self._turns:
                execution.outcome = self.engine.run(execution.statement, execution)
            execution.stop_if_cancelled()
            self._leave_files(execution)
            self._end(execution, "SUCCEEDED")
        except QueryError as error:
            self._end(execution, error.state, error.reason, error.athena_error() if error.state == "FAILED" else None)
        except Exception as error:  # noqa: BLE001 - a bug of the stand-in, told as such
            traceback.print_exc()
            broken = NotHere(f"what to do: {type(error).__name__}: {error}")
            self._end(execution, "FAILED", broken.reason, broken.athena_error())

    def _fail_for_a_time(self, execution, seconds):
        """AWS may fail a query, and then take it up again by itself."""
        reason = "Amazon Athena experienced an internal error while executing this query."
        error = {"ErrorCategory": 1, "ErrorType": 100, "Retryable": True, "ErrorMessage": reason}
        execution.reason, execution.error, execution.state = reason, error, "FAILED"
        time.sleep(seconds)
        execution.reason, execution.error, execution.state = None, None, "RUNNING"

    def _end(self, execution, state, reason=None, error=None):
        with self._lock:
            if execution.state == "CANCELLED":
                return
            execution.reason, execution.error, execution.completed = reason, error, time.time()
            execution.state = state

    def _leave_files(self, execution):
        bucket, key = split(execution.output)
        body = None
        if execution.kind == "SELECT":
            lines = [[name for name, _ in execution.outcome.columns], *execution.outcome.rows]
            body = "".join(map(values.csv_line, lines)).encode()
        elif execution.kind not in ("CTAS", "UNLOAD", "INSERT"):
            body = "\n".join("\t".join(value or "" for value in row) for row in execution.outcome.rows).encode()
        if body is not None:
            self._put(execution, bucket, key, body)
        if execution.outcome.columns:
            # On AWS it is binary; what is in it nobody here reads.
            self._put(execution, bucket, key + ".metadata", json.dumps(execution.outcome.columns).encode())

    def _put(self, execution, bucket, key, body):
        if not self.host.allows(execution.caller, "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
            raise QueryError(
                "",
                f"Access denied when writing output to url: s3://{bucket}/{key} . Please ensure you are allowed to "
                "access the S3 bucket. If you are encrypting query results with KMS key, please ensure you are allowed to "
                "access your KMS key",
                kind=401,
            )
        # A bucket that is not there is no failure: so it was measured. Whoever needs the file must look.
        self.host.put(bucket, key, body, "application/octet-stream")

    def _known(self, query_id):
        execution = self._executions.get(query_id)
        if execution is None:
            raise invalid(f"QueryExecution {query_id} was not found", "QUERY_EXECUTION_NOT_FOUND")
        return execution

    def get(self, data, _caller):
        return {"QueryExecution": self._known(data.get("QueryExecutionId")).described()}

    def batch_get(self, data, _caller):
        ids = data.get("QueryExecutionIds") or []
        return {
            "QueryExecutions": [self._executions[i].described() for i in ids if i in self._executions],
            "UnprocessedQueryExecutionIds": [{"QueryExecutionId": i} for i in ids if i not in self._executions],
        }

    def list(self, data, _caller):
        name = data.get("WorkGroup") or "primary"
        mine = sorted((e for e in self._executions.values() if e.workgroup == name), key=lambda e: -e.submitted)
        start, size = int(data.get("NextToken") or 0), int(data.get("MaxResults") or 50)
        answer = {"QueryExecutionIds": [execution.query_id for execution in mine[start : start + size]]}
        if start + size < len(mine):
            answer["NextToken"] = str(start + size)
        return answer

    def stop(self, data, _caller):
        execution = self._known(data.get("QueryExecutionId"))
        execution.cancel()
        with self._lock:
            if execution.state not in TERMINAL:
                execution.state, execution.reason, execution.completed = (
                    "CANCELLED",
                    "Query cancelled by user",
                    time.time(),
                )
        return {}

    def results(self, data, caller):
        execution = self._known(data.get("QueryExecutionId"))
        if execution.state in ("QUEUED", "RUNNING"):
            raise invalid(
                f"Query has not yet finished. Current state: {execution.state}", "INVALID_QUERY_EXECUTION_STATE"
            )
        if execution.state == "FAILED":
            raise invalid(
                "Query did not finish successfully. Final query state: FAILED", "INVALID_QUERY_EXECUTION_STATE"
            )
        if execution.state == "CANCELLED":
            raise invalid("Could not find results", "RESULT_NOT_FOUND")
        # Whoever reads results needs to read their file (Athena's API, GetQueryResults).
        bucket, key = split(execution.output)
        if not self.host.allows(caller, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"):
            raise ApiError("AccessDeniedException", f"Access denied: s3:GetObject on s3://{bucket}/{key}")
        outcome = execution.outcome
        start, size = int(data.get("NextToken") or 0), min(int(data.get("MaxResults") or 1000), 1000)
        rows = list(outcome.rows)
        if execution.kind == "SELECT":
            rows.insert(0, [name for name, _ in outcome.columns])
        page = [
            {"Data": [{} if value is None else {"VarCharValue": value} for value in row]}
            for row in rows[start : start + size]
        ]
        columns = [
            {
                "CatalogName": "hive",
                "SchemaName": "",
                "TableName": "",
                "Name": name,
                "Label": name,
                "Type": values.athena_type(duck),
                "Precision": 0,
                "Scale": 0,
                "Nullable": "UNKNOWN",
                "CaseSensitive": values.athena_type(duck) == "varchar",
            }
            for name, duck in outcome.columns
        ]
        answer = {"ResultSet": {"Rows": page, "ResultSetMetadata": {"ColumnInfo": columns}}}
        if outcome.update_count is not None:
            answer["UpdateCount"] = outcome.update_count
        if start + size < len(rows):
            answer["NextToken"] = str(start + size)
        return answer

    # For tests

    def add_fault(self, data, _caller):
        """{"Kind": "clear", "WorkGroup"} forgets; anything else is added: see Faults."""
        if data["Kind"] == "clear":
            self.faults.clear(data["WorkGroup"])
        else:
            self.faults.add(data)
        return {}

    def forget_tokens(self, data, _caller):
        """Those of a workgroup, as Athena does after a while."""
        with self._lock:
            for token, query_id in list(self._tokens.items()):
                if self._executions[query_id].workgroup == data["WorkGroup"]:
                    del self._tokens[token]
        return {}

    def workgroup_of(self, query_id):
        """The workgroup of a query that is known here, or None."""
        execution = self._executions.get(query_id)
        return execution and execution.workgroup

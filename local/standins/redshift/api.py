"""The operations of the Data API."""

import json
import re
import threading

import psycopg

from .batches import ENDED
from .errors import ApiError

MAX_SQL_BYTES = 100_000
MAX_SQLS = 40
MAX_WAIT_SECONDS = 30

# PostgreSQL's numbers of types, by the names that results give them.
TYPE_NAMES = {
    16: "bool", 17: "varbyte", 20: "int8", 21: "int2", 23: "int4", 25: "varchar", 700: "float4", 701: "float8", 1042: "bpchar",
    1043: "varchar", 1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz", 1700: "numeric", 3802: "super",
}


class Api:
    """Each public method is an operation: a request as a dictionary, and the answer as one."""

    def __init__(self, engine):
        self._engine = engine

    def ExecuteStatement(self, request):
        check_place(request)
        check_texts([request.get("Sql") or ""])
        return self._submitted(self._engine.submit(request, [request["Sql"]], False), request)

    def BatchExecuteStatement(self, request):
        check_place(request)
        texts = request.get("Sqls") or []
        if not 1 <= len(texts) <= MAX_SQLS:
            raise ApiError("ValidationException", f"Sqls must have between 1 and {MAX_SQLS} items.")
        check_texts(texts)
        for parameter in request.get("Parameters", []):
            if not any(re.search(rf"(?<!:):{re.escape(parameter['name'])}\b", text) for text in texts):
                raise ApiError("ValidationException", f"Parameter {parameter['name']} is not referenced.")
        return self._submitted(self._engine.submit(request, texts, True), request)

    def DescribeStatement(self, request):
        submitted, part = self._find(request)
        wait(submitted, request)
        one = part or submitted
        only = part or (None if submitted.is_batch else submitted.parts[0])
        # The status before the parts: those of a batch that is FINISHED have finished.
        answer = {"Id": request["Id"], "Status": one.status, "CreatedAt": submitted.created, "UpdatedAt": submitted.updated,
                  "Duration": one.duration_ns, "Database": submitted.request["Database"], "DbUser": "IAMR:stand-in",
                  "RedshiftPid": submitted.pid, "RedshiftQueryId": 0, "ResultSize": -1, **place(submitted.request),
                  "ResultRows": only.row_count if only else -1,
                  "HasResultSet": any(p.columns is not None for p in ([part] if part else submitted.parts))}
        if only:
            answer["QueryString"] = only.text
        if one.error:
            answer["Error"] = one.error
        if submitted.is_batch and part is None:
            answer["SubStatements"] = [describe_part(p) for p in submitted.parts]
        return answer

    def GetStatementResult(self, request):
        submitted, part = self._find(request)
        wait(submitted, request)
        if submitted.is_batch and part is None:
            raise ApiError("ValidationException", "Query has sub-statements: name one as Id:number.")
        one = part or submitted.parts[0]
        if submitted.status != "FINISHED" or one.columns is None:
            raise ApiError("ResourceNotFoundException",
                           "Query does not have result. Please check query status with DescribeStatement.", ResourceId=request["Id"])
        records = [[field(value, oid) for value, (_, oid) in zip(row, one.columns)] for row in one.rows]
        columns = [{"name": name, "label": name, "typeName": TYPE_NAMES.get(oid, "varchar"), "nullable": 1} for name, oid in one.columns]
        return {"Records": records, "TotalNumRows": len(records), "ColumnMetadata": columns}

    def CancelStatement(self, request):
        submitted, part = self._find(request)
        if part is not None:
            raise ApiError("ValidationException", "A sub-statement cannot be cancelled.")
        if submitted.status in ENDED:
            raise ApiError("ValidationException", f"Could not cancel a query that is already in {submitted.status} state "
                                                  f"with ID: {submitted.id}")
        submitted.is_cancelled = True
        threading.Thread(target=self._cancel, args=(submitted,), daemon=True).start()
        return {"Status": True}

    @staticmethod
    def _cancel(submitted):
        """Asks until it has ended: what comes between two of its statements, PostgreSQL forgets."""
        while not submitted.ended.is_set():
            if submitted.connection is not None:
                try:
                    submitted.connection.cancel_safe()
                except psycopg.Error:  # it has ended meanwhile
                    pass
            submitted.ended.wait(0.1)

    def ListStatements(self, request):
        status, name = request.get("Status", "ALL"), request.get("StatementName", "")
        listed = sorted(self._engine.all(), key=lambda submitted: -submitted.created)
        listed = [s for s in listed if status in ("ALL", s.status) and s.request.get("StatementName", "").startswith(name)]
        return {"Statements": [
            {"Id": s.id, "Status": s.status, "CreatedAt": s.created, "UpdatedAt": s.updated, "IsBatchStatement": s.is_batch,
             "StatementName": s.request.get("StatementName", ""), "QueryStrings": [p.text for p in s.parts]} for s in listed[:100]]}

    @staticmethod
    def _submitted(submitted, request):
        wait(submitted, request)
        return {"Id": submitted.id, "CreatedAt": submitted.created, "Database": request["Database"], "DbUser": "IAMR:stand-in",
                "Status": submitted.status, **place(request)}

    def _find(self, request):
        """What was submitted, and which part is meant, None for all of it."""
        identifier = request.get("Id") or ""
        missing = ApiError("ResourceNotFoundException", "Query does not exist.", ResourceId=identifier)
        base, _, number = identifier.partition(":")
        submitted = self._engine.find(base)
        if submitted is None:
            raise missing
        if not number:
            return submitted, None
        if not submitted.is_batch or not number.isdigit() or not 1 <= int(number) <= len(submitted.parts):
            raise missing
        return submitted, submitted.parts[int(number) - 1]


def check_place(request):
    if bool(request.get("ClusterIdentifier")) == bool(request.get("WorkgroupName")):
        raise ApiError("ValidationException", "Either ClusterIdentifier or WorkgroupName must be given, and not both.")
    if request.get("WorkgroupName") and request.get("DbUser"):
        raise ApiError("ValidationException", "DbUser cannot be given with WorkgroupName.")
    if not re.fullmatch("[A-Za-z0-9_]{1,54}", request.get("Database") or ""):
        raise ApiError("ValidationException", "Database is required, of letters, digits and underscores.")
    if request.get("ClientToken") is not None and not 1 <= len(request["ClientToken"]) <= 64:
        raise ApiError("ValidationException", "ClientToken must have 1 to 64 characters.")


def check_texts(texts):
    for text in texts:
        if not text.strip():
            raise ApiError("ValidationException", "Sql is empty.")
        if len(text.encode()) > MAX_SQL_BYTES:
            raise ApiError("ValidationException", "Cannot process query string larger than 100kB")


def wait(submitted, request):
    seconds = request.get("WaitTimeSeconds")
    if seconds is None:
        return
    if not 1 <= seconds <= MAX_WAIT_SECONDS:
        raise ApiError("ValidationException", f"WaitTimeSeconds must be between 1 and {MAX_WAIT_SECONDS}")
    submitted.ended.wait(seconds)


def place(request):
    return {name: request[name] for name in ("ClusterIdentifier", "WorkgroupName", "SecretArn") if request.get(name)}


def describe_part(part):
    described = {"Id": part.id, "QueryString": part.text, "Status": part.status, "CreatedAt": part.created, "UpdatedAt": part.updated,
                 "Duration": part.duration_ns, "HasResultSet": part.columns is not None, "ResultRows": part.row_count,
                 "ResultSize": -1, "RedshiftQueryId": 0}
    return {**described, "Error": part.error} if part.error else described


def field(value, oid):
    if value is None:
        return {"isNull": True}
    if oid == 16:
        return {"booleanValue": value}
    if oid in (20, 21, 23):
        return {"longValue": value}
    if oid in (700, 701):
        return {"doubleValue": value}
    if isinstance(value, (bytes, memoryview)):
        return {"stringValue": bytes(value).hex()}
    return {"stringValue": json.dumps(value) if isinstance(value, (dict, list)) else str(value)}

"""One query, from its acceptance on, and what shall go wrong with it in a test."""

import re
import threading
import time
import uuid

from .errors import QueryError

TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED")

# How often a query that is held or slow looks whether it may go on.
_LOOK_SECONDS = 0.02


class Execution:
    """One query, from its acceptance on."""

    def __init__(self, request, statement, workgroup, base, caller, cutoff, faults):
        self.query_id = str(uuid.uuid4())
        self.request, self.statement, self.workgroup, self.base = request, statement, workgroup, base
        self.caller, self.cutoff, self.faults = caller, cutoff, faults
        self.kind = statement.kind
        context = request.get("QueryExecutionContext") or {}
        self.database = (context.get("Database") or "default").lower()
        self.catalog = context.get("Catalog") or "AwsDataCatalog"
        self.state, self.reason, self.error = "QUEUED", None, None
        self.submitted, self.completed = time.time(), None
        self.scanned, self.outcome, self.manifest_location = 0, None, None
        self.interrupt, self._cancelled = None, threading.Event()
        self._failure = None

    # What the engine asks of it

    def stop_if_cancelled(self):
        if self._cancelled.is_set():
            raise QueryError("", "Query cancelled by user", state="CANCELLED")

    def take(self, kind):
        """The fault of this kind that is meant for this query, or None."""
        return self.faults.take(kind, self.request["QueryString"], self.workgroup)

    def wait_while_held(self):
        """Faults that keep a query from going on: `slow` for a time, `hold` until it is released."""
        slow, hold = self.take("slow"), self.take("hold")
        deadline = time.time() + (slow or {}).get("Seconds", 0)
        while time.time() < deadline or hold is not None and not hold["Released"]:
            self.stop_if_cancelled()
            time.sleep(_LOOK_SECONDS)

    def fault(self, kind):
        """Whether it shall fail here; `fault_error` says how."""
        self._failure = self.take(kind) or self._failure
        return self._failure is not None

    def fault_error(self):
        fault = self._failure
        return QueryError(
            "",
            fault.get("Reason", "Query exhausted resources at this scale factor"),
            category=fault.get("Category", 1),
            retryable=fault.get("Retryable", True),
            kind=fault.get("Type", 0),
        )

    def cancel(self):
        self._cancelled.set()
        if self.interrupt is not None:
            self.interrupt()

    # What callers get to see

    @property
    def output(self):
        """Where Athena says the result is; whether it is there is another matter."""
        name = {
            "SELECT": f"{self.query_id}.csv",
            "CTAS": f"tables/{self.query_id}",
            "INSERT": self.query_id,
            "UNLOAD": self.query_id,
        }.get(self.kind, f"{self.query_id}.txt")
        return self.base + name

    def described(self):
        elapsed = int(((self.completed or time.time()) - self.submitted) * 1000)
        status = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.completed:
            status["CompletionDateTime"] = self.completed
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.error:
            status["AthenaError"] = self.error
        statistics = {
            "EngineExecutionTimeInMillis": elapsed,
            "DataScannedInBytes": self.scanned,
            "TotalExecutionTimeInMillis": elapsed,
            "QueryQueueTimeInMillis": 0,
            "ServiceProcessingTimeInMillis": 0,
        }
        if self.manifest_location:
            statistics["DataManifestLocation"] = self.manifest_location
        answer = {
            "QueryExecutionId": self.query_id,
            "Query": self.request["QueryString"],
            "StatementType": self.statement.statement_type,
            "SubstatementType": self.statement.substatement_type,
            "ResultConfiguration": {"OutputLocation": self.output},
            "QueryExecutionContext": {"Database": self.database, "Catalog": self.catalog.lower()},
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": self.workgroup,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        }
        if self.request.get("ExecutionParameters"):
            answer["ExecutionParameters"] = self.request["ExecutionParameters"]
        return answer


class Faults:
    """What shall go wrong, in tests.

    Each is {"Kind", "WorkGroup", "Match": part of the SQL as a regular expression, "Times", ...}. The kinds:
    - throttle: the start is refused; lose_answer: it is answered with an error, and the query runs;
    - slow ("Seconds"), hold (until it is released): the query is RUNNING meanwhile;
    - requeue ("Seconds"): FAILED for a time, then taken up again, as AWS may do;
    - fail, fail_before_write, fail_after_write ("Reason", "Category", "Retryable", "Type"): FAILED.
    """

    def __init__(self):
        self._all, self._lock = [], threading.Lock()

    def add(self, fault):
        with self._lock:
            self._all.append({"Times": 1, "Match": "", "Released": False, **fault})

    def clear(self, workgroup):
        """Forgets those of a workgroup; what they hold goes on."""
        with self._lock:
            for fault in self._all:
                if fault["WorkGroup"] == workgroup:
                    fault.update(Times=0, Released=True)

    def take(self, kind, sql, workgroup):
        """The first one that is meant, once less to come; or None."""
        with self._lock:
            for fault in self._all:
                is_meant = fault["Kind"] == kind and fault["WorkGroup"] == workgroup and fault["Times"] > 0
                if is_meant and re.search(fault["Match"], sql, re.I | re.S):
                    fault["Times"] -= 1
                    return fault
        return None

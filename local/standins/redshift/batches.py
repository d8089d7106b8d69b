"""Statements that were submitted: their states, their parts, what is asked again by its ClientToken."""

import re
import threading
import time
import uuid

import psycopg

from .errors import ApiError, Refused
from .roles import Roles
from .statements import Statement
from .transactions import Database, Transaction

TOKEN_LIFE_SECONDS = 8 * 3600
ENDED = ("FINISHED", "FAILED", "ABORTED")


class Part:
    """One SQL text of a batch, or the only one of a statement."""

    def __init__(self, text, identifier):
        self.text, self.id, self.status, self.error = text, identifier, "SUBMITTED", None
        self.row_count, self.columns, self.rows, self.duration_ns = -1, None, None, 0
        self.created = self.updated = time.time()

    def set(self, status):
        self.status, self.updated = status, time.time()


class Submitted:
    """What a call submitted."""

    def __init__(self, request, texts, is_batch):
        self.id, self.request, self.is_batch = str(uuid.uuid4()), request, is_batch
        self.parts = [Part(text, f"{self.id}:{number}" if is_batch else self.id) for number, text in enumerate(texts, 1)]
        self.status, self.error, self.duration_ns, self.pid = "SUBMITTED", None, 0, 0
        self.created = self.updated = time.time()
        self.connection, self.is_cancelled, self.ended = None, False, threading.Event()

    def set(self, status):
        self.status, self.updated = status, time.time()

    def fail(self, error):
        """The part that was at work failed; the ones after it never ran."""
        status = "ABORTED" if self.is_cancelled else "FAILED"
        self.error = None if self.is_cancelled else error
        for part in self.parts:
            if part.status == "STARTED":
                part.error = error
                part.set(status)
            elif part.status == "SUBMITTED":
                part.set("ABORTED")
        self.set(status)


class Settings:
    """What a test may change, per database."""

    def __init__(self):
        # The isolation of new transactions; how long a statement waits before each of its first two states; the quota.
        self.isolation, self.delay_seconds, self.max_active = "snapshot", 0.01, 200
        # By operation: what befalls the next calls, in order; see server.py.
        self.faults = {}


class Engine:
    """Runs what is submitted, each in a thread. A database of Redshift is one of PostgreSQL whose name begins with `redshift_`."""

    def __init__(self, postgres, s3):
        self._postgres, self._roles, self._lock = postgres, Roles(s3), threading.Lock()
        self._submitted, self._by_token, self._databases, self._settings, self._active = {}, {}, {}, {}, {}

    def settings(self, database):
        with self._lock:
            return self._settings.setdefault(database, Settings())

    def find(self, identifier):
        return self._submitted.get(identifier)

    def all(self):
        return list(self._submitted.values())

    def submit(self, request, texts, is_batch):
        token, database = request.get("ClientToken"), request["Database"]
        settings = self.settings(database)
        with self._lock:
            earlier = self._by_token.get(token) if token else None
            if earlier and time.time() - earlier.created < TOKEN_LIFE_SECONDS:
                if [part.text for part in earlier.parts] != texts or earlier.request["Database"] != database:
                    raise ApiError("ValidationException", "STAND-IN: this ClientToken came with another request before")
                return earlier
            if self._active.get(database, 0) >= settings.max_active:
                raise ApiError("ActiveStatementsExceededException", "Active statements exceeded the allowed quota (200).")
            submitted = self._submitted_now(request, texts, is_batch, token)
            self._active[database] = self._active.get(database, 0) + 1
        threading.Thread(target=self._run, args=(submitted, settings), daemon=True).start()
        return submitted

    def _submitted_now(self, request, texts, is_batch, token):
        submitted = Submitted(request, texts, is_batch)
        self._submitted[submitted.id] = submitted
        if token:
            self._by_token[token] = submitted
        return submitted

    def _database(self, name):
        with self._lock:
            if name not in self._databases:
                self._databases[name] = Database(f"{self._postgres}/redshift_{name}?sslmode=disable")
            return self._databases[name]

    def _run(self, submitted, settings):
        try:
            for status in ("PICKED", "STARTED"):
                time.sleep(settings.delay_seconds)
                submitted.set(status)
            started = time.monotonic_ns()
            try:
                self._run_parts(submitted, settings)
                submitted.set("FINISHED")
            except (Refused, psycopg.Error) as error:
                submitted.fail(message(error))
            submitted.duration_ns = time.monotonic_ns() - started
        except Exception as error:  # a bug of the stand-in's must be seen, not hang the caller
            submitted.fail(f"STAND-IN BUG: {error!r}")
            raise
        finally:
            with self._lock:
                self._active[submitted.request["Database"]] -= 1
            submitted.ended.set()

    def _run_parts(self, submitted, settings):
        database = self._database(submitted.request["Database"])
        parameters = {p["name"]: p["value"] for p in submitted.request.get("Parameters", [])}
        commits_each = submitted.request.get("ExecutionMode") == "AUTO_COMMIT"
        with psycopg.connect(database.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            submitted.connection, submitted.pid = connection, connection.info.backend_pid
            transaction = Transaction(database, connection, self._roles, settings.isolation)
            for part in submitted.parts:
                if submitted.is_cancelled:
                    raise Refused("ERROR: Query cancelled on user's request")
                part.set("STARTED")
                started = time.monotonic_ns()
                part.row_count, part.columns, part.rows = transaction.run(Statement(bound(part.text, parameters)))
                part.duration_ns = time.monotonic_ns() - started
                part.set("FINISHED")
                if commits_each:
                    transaction.commit()
            transaction.commit()


def bound(text, parameters):
    """The text with each `:name` outside quotation marks replaced by its value."""
    def value(found):
        name = found[1]
        if name not in parameters:
            return found[0]
        if parameters[name] == "":
            raise Refused("ERROR: a parameter cannot have a zero length value")
        return "'" + parameters[name].replace("'", "''") + "'"
    if not parameters:
        return text
    pieces = re.split("('(?:[^']|'')*')", text)
    return "".join(piece if piece.startswith("'") else re.sub(r"(?<!:):(\w+)", value, piece) for piece in pieces)


def message(error):
    """What Redshift would say, as near as is known."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)):
        return "ERROR: 1023 DETAIL: Serializable isolation violation on table in Redshift"
    if isinstance(error, psycopg.errors.CheckViolation):
        return "ERROR: Value too long for character type"
    return "ERROR: " + str(error).split("\n", maxsplit=1)[0]

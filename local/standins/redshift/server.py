"""HTTP: the JSON protocol of `redshift-data`, and what tests may ask for.

POST /_settings {"database": ..., "isolation", "delay_seconds", "max_active", "faults"} changes the settings of one database. Faults
are {"BatchExecuteStatement": ["lose_answer", "ActiveStatementsExceededException", "none", ...]}: what befalls the next calls of an
operation, in order. `lose_answer` does the work and closes the connection; any other word is the error that the call ends with.
"""

import json
import socket
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .api import Api
from .errors import ApiError

OPERATIONS = {name for name in vars(Api) if name[:1].isupper()}
SETTINGS = {"isolation", "delay_seconds", "max_active", "faults"}


class Server(ThreadingHTTPServer):
    """Serves an engine on a socket that listens already."""

    daemon_threads = True

    def __init__(self, listener, engine):
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.engine, self.api = listener, engine, Api(engine)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Requests hold SQL: they are not logged."""

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def do_GET(self):
        self._answer(200, {"service": "redshift-data"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = json.loads(body or b"{}")
        if self.path == "/_settings":
            settings = self.server.engine.settings(request.pop("database"))
            if request.keys() - SETTINGS:
                self._answer(400, {"message": f"settings are {sorted(SETTINGS)}"})
                return
            vars(settings).update(request)
            self._answer(200, {})
            return
        operation = (self.headers.get("X-Amz-Target") or "").split(".")[-1]
        try:
            if operation not in OPERATIONS:
                raise ApiError("UnknownOperationException", operation)
            if "AWS4-HMAC-SHA256" not in (self.headers.get("Authorization") or ""):
                raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
            fault = self._fault(operation, request)
            if fault not in ("none", "lose_answer"):
                raise ApiError(fault, "injected", 500 if fault == "InternalServerException" else 400)
            answer = getattr(self.server.api, operation)(request)
            if fault == "lose_answer":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._answer(200, answer)
        except ApiError as error:
            # Both spellings are met: SDKs read either.
            texts = {"Message": str(error), "message": str(error)}
            self._answer(error.status, {"__type": error.kind, **texts, **error.fields}, error.kind)

    def _fault(self, operation, request):
        """What is to befall this call. What is asked about a statement counts for the database that it was submitted to."""
        submitted = self.server.engine.find((request.get("Id") or "").partition(":")[0])
        database = submitted.request["Database"] if submitted else request.get("Database")
        planned = self.server.engine.settings(database).faults.get(operation)
        return planned.pop(0) if planned else "none"

    def _answer(self, status, answer, kind=None):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if kind:
            self.send_header("x-amzn-ErrorType", kind)
        self.end_headers()
        self.wfile.write(body)

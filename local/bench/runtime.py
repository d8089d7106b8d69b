"""The Lambda Runtime API on loopback, as cheap as can be, for one function process at a time."""
import collections
import json
import socket
import threading
import time

RUNTIME = "/2018-06-01/runtime/"
DEADLINE_SECONDS = 900


class Runtime:
    """Hands events to the function that asks for them, and keeps its answer."""

    def __init__(self):
        self.changed = threading.Condition()
        self.generation = self.number = 0
        self.start()
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            threading.Thread(target=self.serve, args=(listener.accept()[0],), daemon=True).start()

    def serve(self, connection):
        try:
            self.converse(connection)
        except ConnectionError:
            pass  # the function was ended

    def converse(self, connection):
        """All requests of one connection."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb", 1 << 16)
        with connection, reader:
            while line := reader.readline():
                path, headers = line.decode("latin-1").split(" ")[1], {}
                while (line := reader.readline()).strip():
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = read_body(reader, headers)
                is_next = path == f"{RUNTIME}invocation/next"
                answer = self.next() if is_next else self.take(path.endswith("/response"), body)
                if answer is None:
                    return
                status, headers, body = answer
                headers["Content-Length"] = len(body)
                lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
                connection.sendall("\r\n".join(lines).encode() + body)

    def start(self):
        """A new process comes: what an old one still asks for is void."""
        with self.changed:
            self.generation += 1
            self.events, self.asked_at, self.answer = collections.deque(), [], None
            self.changed.notify_all()

    def give(self, event):
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def next(self):
        """Waits for an event, as Lambda does. None: nobody waits any more."""
        with self.changed:
            mine = self.generation
            self.asked_at.append(time.monotonic())
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.events or self.generation != mine)
            if self.generation != mine:
                return None
            self.number += 1
            headers = {
                "Lambda-Runtime-Aws-Request-Id": f"attempt-{self.number:05}",
                "Lambda-Runtime-Deadline-Ms": int((time.time() + DEADLINE_SECONDS) * 1000),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:bench",
                "Content-Type": "application/json",
            }
            return 200, headers, json.dumps(self.events.popleft()).encode()

    def take(self, is_ok, body):
        at = time.monotonic()
        with self.changed:
            self.answer = {"at": at, "ok": is_ok, "body": json.loads(body or b"null")}
            self.changed.notify_all()
        return 202, {}, b""

    def wait_asked(self, times, seconds):
        """When an event was asked for, for the first, second ... time; None if that does not happen in these seconds."""
        with self.changed:
            asked = self.changed.wait_for(lambda: len(self.asked_at) >= times, seconds)
            return self.asked_at[times - 1] if asked else None

    def wait_answer(self, seconds):
        with self.changed:
            self.changed.wait_for(lambda: self.answer, seconds)
            return self.answer


def read_body(reader, headers):
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return reader.read(int(headers.get("content-length", 0)))
    pieces = []
    while length := int(reader.readline().split(b";")[0], 16):
        pieces.append(reader.read(length))
        reader.readline()
    while reader.readline().strip():
        pass
    return b"".join(pieces)

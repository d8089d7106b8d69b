#!/usr/bin/env python3
"""What the functions need of AWS, on loopback and as cheap as can be: the Lambda Runtime API, S3 and Step Functions.

Started by `functions.py`. Prints its address, then takes commands on standard input, `[name, arguments]` as JSON a line, and
answers each with a line: see `COMMANDS`. Ends when standard input does. It serves one function process at a time, and
believes every signature.
"""
import collections
import json
import os
import socket
import sys
import threading
import time
import urllib.parse

from bucket import MODIFIED, Bucket, Object, Synthetic, failure

RUNTIME = "/2018-06-01/runtime/"
DEADLINE_SECONDS = 900


class Runtime:
    """Hands events to the function that asks for them, and keeps its answer."""

    def __init__(self):
        self.changed = threading.Condition()
        self.generation = self.number = 0
        self.start()

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


bucket, runtime = Bucket(), Runtime()
executions = []  # what ListExecutions lists
counts = collections.defaultdict(lambda: {"requests": 0, "bytes_in": 0, "bytes_out": 0})


def step_functions(target, body):
    kind = target.rpartition(".")[2]
    if kind == "ListExecutions":
        content = {"executions": executions}
    elif kind == "DescribeExecution":
        arn = json.loads(body)["executionArn"]
        content = {"executionArn": arn, "stateMachineArn": arn, "status": "SUCCEEDED", "startDate": MODIFIED,
                   "input": "{}", "output": '{"mode": "load"}'}
    else:
        return kind, failure(501, "NotImplemented")
    return kind, (200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(content).encode())


def answer(method, target, headers, body):
    path, _, query = target.partition("?")
    if path == f"{RUNTIME}invocation/next":
        return "next", runtime.next()
    if path.startswith(RUNTIME):
        return "answer", runtime.take(path.endswith("/response"), body)
    if "x-amz-target" in headers:
        return step_functions(headers["x-amz-target"], body)
    query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    return bucket.answer(method, urllib.parse.unquote(path), query, headers, body)


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


def send(connection, status, headers, body):
    """Returns how many bytes the body had."""
    if isinstance(body, bytes):
        headers, body = {"Content-Length": len(body), **headers}, [body]
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    pending, sent = "\r\n".join(lines).encode(), 0
    for piece in body:
        if isinstance(piece, bytes):
            pending, sent = pending + piece, sent + len(piece)
            continue
        connection.sendall(pending)
        pending, (file, start, length) = b"", piece
        end = start + length
        while start < end:
            start += os.sendfile(connection.fileno(), file.fileno(), start, min(end - start, 1 << 30))
        sent += length
    connection.sendall(pending)
    return sent


def converse(connection):
    """All requests of one connection."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = connection.makefile("rb", 1 << 16)
    with connection, reader:
        while line := reader.readline():
            method, target, _ = line.decode("latin-1").split(" ")
            headers = {}
            while (line := reader.readline()).strip():
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            if "expect" in headers:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = read_body(reader, headers)
            kind, response = answer(method, target, headers, body)
            if response is None:
                return
            if response[0] >= 500:
                print(f"server: not understood: {kind}", file=sys.stderr)
            count = counts[kind]
            count["requests"] += 1
            count["bytes_in"] += len(body)
            count["bytes_out"] += send(connection, *response)


def serve(connection):
    try:
        converse(connection)
    except ConnectionError:
        pass  # the function was ended


def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def take_counts():
    taken = dict(counts)
    counts.clear()
    return taken


def set_executions(listed):
    executions[:] = listed


COMMANDS = {
    "clear": bucket.clear,
    "file": lambda key, path, times=1: bucket.place(key, Object.of_file(path, times)),
    "text": lambda key, text: bucket.place(key, Object.of_bytes(text.encode())),
    "save": lambda key, path: bucket.objects[key].save(path),
    "synthetic": lambda prefix, count, folders: setattr(bucket, "synthetic", Synthetic(prefix, count, folders)),
    "executions": set_executions,
    "counts": take_counts,
    "start": runtime.start,
    "give": runtime.give,
    "asked": runtime.wait_asked,
    "answer": runtime.wait_answer,
}


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    print(json.dumps(f"127.0.0.1:{listener.getsockname()[1]}"), flush=True)
    for line in sys.stdin:
        command, arguments = json.loads(line)
        print(json.dumps(COMMANDS[command](**arguments)), flush=True)


if __name__ == "__main__":
    main()

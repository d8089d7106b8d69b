"""Runs the functions' own binaries as Lambda does, each in a process of its own, against a fake AWS; and measures them."""
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from measure import Run
from runtime import Runtime

FOLDER = Path(__file__).parent
STATE_MACHINE = FOLDER.parents[1] / "statemachine" / "transform-and-upsert.asl.json"
ALL = ["detect-new-files", "pivot", "upsert", "database-access", "prepare-elt", "run-query", "publish-elt"]
BUCKET = "lake"  # the only one of the fake


class FakeAws:
    """S3 and Step Functions: `cargo local fake-aws`, running. Its commands are in `local/src/fake_aws/control.rs`."""

    def __init__(self, program):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([program, "fake-aws"], **pipes)
        self.address = self.answer()

    def __call__(self, command, **arguments):
        print(json.dumps({"command": command} | arguments), file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the fake AWS ended; it says why above")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Outcome(Run):
    """A run of a function's process, from its start to its answer."""
    start: float = 0.0  # seconds until it asked for its first event
    idle: float = 0.0  # MiB resident while it waited for it, if it had to
    answer: dict | None = None


class Functions:
    def __init__(self, folder, fake_aws, database_url, work, job):
        self.folder, self.runtime, self.log = Path(folder), Runtime(), work / "function.log"
        self.aws = {
            "AWS_ENDPOINT_URL": f"http://{fake_aws.address}",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.environment = self.aws | {
            "AWS_LAMBDA_RUNTIME_API": self.runtime.address,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
            "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
            "BUCKET": BUCKET,
            "DATABASE_URL": database_url or "postgres://bench@127.0.0.1:1/bench",  # to start, it need not be there
            "DATABASE_INSTANCE": "bench",
            "WORKGROUP": "bench",
        }
        # What the job does not say is a number or stands in quotes.
        text = re.sub(r"\$\{(\w+)\}", lambda name: job.get(name[1], "24"), STATE_MACHINE.read_text())
        self.states = json.loads(text)["States"]
        self.states |= self.states["PivotFiles"]["ItemProcessor"]["States"]

    def run(self, name, event=None, waits=False):
        """One process: it starts and answers one event. With `waits`, the event only comes once it has asked for it and its
        idle memory has been read; then the wall time is that of the invocation alone. Without an event, it only starts."""
        self.runtime.start()
        if event is not None and not waits:
            self.runtime.give(event)
        environment = self.environment | {"AWS_LAMBDA_FUNCTION_NAME": name}
        if event is None:
            # So it reads the system's roots of trust, as it does on AWS.
            environment["AWS_ENDPOINT_URL"] = "https://127.0.0.1:1"
        outcome = Outcome(wall=0, cpu=0)
        with open(self.log, "w+") as log:
            begun = time.monotonic()
            process = subprocess.Popen([self.folder / name], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                outcome.start = self.until(process, self.runtime.wait_asked, 1) - begun
                if event is None or waits:
                    time.sleep(0.02)
                    outcome.idle = memory(process.pid, "VmRSS")
                if event is not None and waits:
                    begun = time.monotonic()
                    self.runtime.give(event)
                if event is not None:
                    answer = self.until(process, self.runtime.wait_answer)
                    outcome.wall, outcome.answer = answer["at"] - begun, answer["body"]
                    if not answer["ok"]:
                        raise RuntimeError(f"{name}: {answer['body']}")
                    self.until(process, self.runtime.wait_asked, 2)
                outcome.peak = memory(process.pid, "VmHWM")
            finally:
                os.kill(process.pid, signal.SIGKILL)
                _, _, used = os.wait4(process.pid, 0)
                process.returncode = 0
        outcome.cpu = used.ru_utime + used.ru_stime
        return outcome

    def until(self, process, wait, *arguments):
        """Waits for the process to ask or to answer."""
        while not (seen := wait(*arguments, seconds=0.2)):
            if Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                raise RuntimeError(f"{process.args[0].name} ended: {self.log.read_text()[-500:]}")
        return seen

    def has(self, name):
        return (self.folder / name).exists()

    def payload(self, state, execution, **given):
        """What the state machine hands to the function in this state."""
        payload = self.states[state]["Parameters"]["Payload"]
        fixed = {key: value for key, value in payload.items() if not key.endswith(".$")}
        return fixed | {"execution": execution} | given

    def detect(self, **how):
        """Detects as a new execution; returns that and the outcome."""
        execution = new_execution()
        payload = self.payload("DetectNewFiles", execution, trigger={})
        return execution, self.run("detect-new-files", payload, **how)

    def pivot(self, execution, detected, **how):
        """Pivots the only batch."""
        payload = self.payload("Pivot", execution, manifest=detected["manifest"], batch=detected["batches"][0])
        return self.run("pivot", payload, **how)

    def upsert(self, execution, detected, **how):
        payload = self.payload("Upsert", execution, manifest=detected["manifest"], mode=detected["mode"])
        return self.run("upsert", payload, **how)


def new_execution(name=None):
    name, machine = name or f"run-{time.time_ns()}", "arn:aws:states:us-east-1:123456789012:stateMachine:bench"
    return {"job": "bench", "id": f"{machine.replace('stateMachine', 'execution')}:{name}", "name": name, "state_machine": machine,
            "started_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())}


def memory(process, field):
    """MiB of a field of /proc/PID/status."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/{process}/status")

"""Runs contenders in interleaved rounds, and says what they took: CPU and wall seconds, peak memory, ratios to a limit."""
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass
class Run:
    """What one run took. Seconds and MiB; `server` is the CPU of the database server meanwhile."""
    wall: float
    cpu: float
    peak: float | None = None
    server: float = 0.0
    problem: str = ""

    @property
    def total(self):
        return max(self.cpu + self.server, 0.001)

    def __add__(self, other):
        peak = max(self.peak or 0, other.peak or 0) or None
        problem = self.problem or other.problem
        return Run(self.wall + other.wall, self.cpu + other.cpu, peak, self.server + other.server, problem)


class Wrong(Exception):
    """A result that is not the expected one."""


def command(arguments, output=os.devnull, **options):
    """Runs a command to its end, its standard output in the file `output`.

    The kernel counts the peak from before the command's own program was loaded, so one below this process's own cannot be
    read, and is `None`.
    """
    with open(output, "wb") as file, open(f"{output}.log" if output != os.devnull else output, "w+b") as log:
        started = time.monotonic()
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=log, **options)
        _, status, used = os.wait4(process.pid, 0)
        wall, process.returncode = time.monotonic() - started, os.waitstatus_to_exitcode(status)
        log.seek(0)
        lines = log.read().decode(errors="replace").split("\n") if process.returncode else []
    last = next((line for line in reversed(lines) if line.strip()), "")
    peak = used.ru_maxrss / 1024 if used.ru_maxrss > own_peak() * 1.05 else None
    problem = f"exit {process.returncode}: {last[:150]}" if process.returncode else ""
    return Run(wall, used.ru_utime + used.ru_stime, peak, problem=problem)


def own_peak():
    """KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def cpu_of(process):
    """CPU seconds of a live process, its ended threads included: its own clock, see clock_getcpuclockid(3)."""
    return time.clock_gettime((~process << 3) | 2)


def attempt(run):
    """A run, or what came in its way."""
    try:
        return run()
    except Wrong as wrong:
        return Run(0, 0, problem=f"WRONG: {wrong}")
    except RuntimeError as failure:
        return Run(0, 0, problem=str(failure)[:500])


def rounds(count, contenders, slow=()):
    """Runs every contender once per round: A B C, A B C. Those in `slow` only in the first; one that failed no more.

    `contenders`: from name to a function that returns a `Run`. Returns a list of runs per name, by round.
    """
    results = {name: [] for name in contenders}
    for number in range(count):
        for name, run in contenders.items():
            runs = results[name]
            if (runs and runs[-1].problem) or (number and name in slow):
                continue
            latest = attempt(run)
            runs.append(latest)
            took = f"cpu {latest.total:.3f} s, wall {latest.wall:.3f} s"
            say(f"  {number + 1}/{count} {name}: {latest.problem or took}")
    return results


def ratio(results, name, limit, quantity):
    """The median of the ratios within a round; none if one of them did not run."""
    if not all(results.get(key) and not results[key][-1].problem for key in (name, limit)):
        return None
    pairs = zip(results[name], results[limit])
    return statistics.median(getattr(run, quantity) / max(getattr(base, quantity), 1e-6) for run, base in pairs)


def median(results, name, quantity):
    runs = results.get(name)
    values = [getattr(run, quantity) for run in runs or []]
    return statistics.median(values) if values and None not in values and not runs[-1].problem else None


def say(text):
    print(text, file=sys.stderr, flush=True)


class Report:
    """The document, and whether all results agreed."""

    def __init__(self):
        self.lines, self.is_wrong = [], False

    def add(self, *lines):
        self.lines.extend(lines)

    def heading(self, text):
        say(f"== {text}")
        self.add("", f"## {text}", "")

    def rows(self, head, rows):
        self.add("| " + " | ".join(head) + " |", "|---" * len(head) + "|")
        self.add(*("| " + " | ".join(row) + " |" for row in rows), "")

    def results(self, results, limit):
        """A table of `rounds`."""
        head = ["name", "runs", "CPU s", "wall s", "peak MiB", f"CPU / {limit}", f"wall / {limit}"]
        rows = []
        for name, runs in results.items():
            if runs and runs[-1].problem:
                self.failed(name, runs[-1].problem, is_ours=name == limit)
                problem = " ".join(runs[-1].problem.replace("|", "/").split())
                rows.append([name, str(len(runs)), problem] + [""] * 4)
                continue
            cpu = seconds(median(results, name, "total"))
            if server := median(results, name, "server"):
                cpu += f" ({median(results, name, 'cpu'):.2f} + {server:.2f})"
            peak = median(results, name, "peak")
            ratios = [ratio(results, name, limit, quantity) for quantity in ("total", "wall")]
            peak = f"{peak:.0f}" if peak else f"<{own_peak() * 1.05 / 1024:.0f}"
            rows.append([name, str(len(runs)), cpu, seconds(median(results, name, "wall")), peak,
                         *(f"{value:.3g}" if value else "" for value in ratios)])
        self.rows(head, rows)

    def failed(self, name, problem, is_ours=False):
        """A wrong result, or one of ours that did not come. A peer may fail as it likes."""
        if is_ours or problem.startswith("WRONG") or name.startswith("sluice"):
            say(f"!! {name}: {problem}")
            self.is_wrong = True

    def bar(self, what, value, at_most, unit):
        """One bar: is the value at most that much?"""
        if value is None:
            self.add(f"- bar: {what}, at most {at_most}{unit}: **not measured**")
        else:
            verdict = "met" if value <= at_most else "missed"
            shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
            self.add(f"- bar: {what}, at most {at_most}{unit}: {shown}{unit}, **{verdict}**")


def seconds(value):
    return "" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"

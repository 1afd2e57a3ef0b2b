"""What the benchmarks share: processes that take turns, medians, one way to tell."""

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

SPAWN: Final = multiprocessing.get_context("spawn")
STATUS: Final = Path("/proc/self/status")
START_TIMEOUT_S: Final = 60.0
ROUNDS: Final = 3


def compared(n: int, ours: Sequence[float], bound: Sequence[float]) -> dict[str, Any]:
    """Return the median of our rates beside that of the bound's, measured in turn."""
    rate, limit = statistics.median(ours), statistics.median(bound)
    return {
        "rate": round(rate, 1),
        "bound": round(limit, 1),
        "ratio_to_bound": round(rate / limit, 3),
        "n": n,
    }


def options(what: str, n: int) -> argparse.ArgumentParser:
    """Return the options that every benchmark has."""
    made = argparse.ArgumentParser(description=what)
    made.add_argument("-n", type=int, default=n, help=f"how many (default {n})")
    made.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often (default {ROUNDS})")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def tell(what: str, told: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what came out: one JSON object, or a line for each comparison."""
    if as_json:
        print(json.dumps({"bench": what, **told}))
        return
    for name, one in (told.get("crms") or told.get("runs") or {what: told}).items():
        more = [f"p99 {one['p99_ms']} ms"] if "p99_ms" in one else []
        more += [f"peak +{one['peak_mb']} MB"] if "peak_mb" in one else []
        print(
            f"{name:<24}{one['rate']:>10,.0f}/s  bound {one['bound']:>10,.0f}/s"
            f"  ratio {one['ratio_to_bound']:.2f}  {'  '.join(more)}  (n = {one['n']:,})"
        )
    for name, share in told.get("idle_shares", {}).items():
        print(f"{name:<24} with nothing to do: {share:.2%} of a core")


@contextmanager
def beside(function: Callable[..., None], *args: object) -> Iterator[int]:
    """Run a server beside us in a process of its own; give the port that it sends first."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=function, args=(there, *args), daemon=True)
    process.start()
    try:
        yield _port(here)
    finally:
        process.terminate()
        process.join()


def _port(connection: Connection) -> int:
    if not connection.poll(START_TIMEOUT_S):
        message = "the server did not start"
        raise TimeoutError(message)
    port: int = connection.recv()
    return port


class Turns:
    """A process that works when told to, a turn at a time; see `work`."""

    def __init__(self, function: Callable[..., None], *args: object) -> None:
        self._here, there = SPAWN.Pipe()
        self._process = SPAWN.Process(target=function, args=(there, *args), daemon=True)
        self._process.start()
        there.close()

    def turn(self) -> float:
        """Let it work; return the seconds that took."""
        self._here.send(obj=True)
        took: float = self._here.recv()
        return took

    def end(self) -> float:
        """Let it look at what it did and end; return how much its memory grew, in MB."""
        self._here.send(obj=False)
        grown: float = self._here.recv()
        self._process.join()
        return grown


def work(connection: Connection, steps: Iterator[int], turn: int) -> float:
    """Take steps whenever told to, until they come to `turn` together; return the memory's growth.

    A step says how many it did.
    """
    before = peak_mb()
    while connection.recv():
        did, started = 0, time.perf_counter()
        for step in steps:
            did += step
            if did >= turn:
                break
        connection.send(time.perf_counter() - started)
    return peak_mb() - before


def peak_mb() -> float:
    """Return the most memory that this process ever had at once."""
    if STATUS.exists():  # what getrusage tells is the parent's, where that was larger
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def percentile_ms(seconds: Sequence[float], share: int) -> float:
    """Return the percentile of some times, in milliseconds."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[share - 1] * 1000

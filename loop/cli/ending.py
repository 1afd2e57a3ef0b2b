"""How a process that runs on and on is ended: by a signal, what is at work first, and in time."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import typer

from loop.cli import say

INTERRUPTED: Final = 130
WORK_ENDS_S: Final = 20
"""Then the process ends anyhow: what it had claimed is settled when its lease ends."""


@contextmanager
def ended_by_signal(end: Callable[[], object]) -> Iterator[set[int]]:
    """Let SIGTERM and SIGINT call `end`, and do nothing else; give those that came.

    From the first of them on the block has `WORK_ENDS_S` to end; then the process does.
    """
    came: set[int] = set()
    last = threading.Timer(WORK_ENDS_S, _end_anyhow)
    last.daemon = True

    def come(number: int, _frame: FrameType | None) -> None:
        if not came:
            last.start()
        came.add(number)
        end()

    before = {which: signal.signal(which, come) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        last.cancel()
        for which, handler in before.items():
            signal.signal(which, handler)


def conclude(came: set[int]) -> None:
    """End as interrupted where it was Ctrl-C. Raise where no signal came: it ended by itself."""
    if not came:
        raise say.fail("it ended by itself: see the log")
    if signal.SIGINT in came:
        raise typer.Exit(INTERRUPTED)


def _end_anyhow() -> None:
    say.tell("a service does not answer: ending all the same", "red")
    os._exit(say.EXIT_FAILED)

"""Progress on stderr, for people at a terminal; silent for everybody else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loop.cli import say

Tick = Callable[[int], None]


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Tick]:
    """Draw a bar, or a count where nobody knows how many there are; call the tick with more."""
    if not say.stderr().is_terminal:
        yield lambda _more: None
        return
    from rich.progress import (  # noqa: PLC0415 - only at a terminal
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=say.stderr(), transient=True) as bar:
        task = bar.add_task(say.safe(what), total=total)
        yield lambda more: bar.advance(task, more)

"""May we still send? Asked right before each request that goes out.

Whoever calls a connector may hold its items for a limited time only, and somebody else has them
afterwards. A process that was frozen in the middle of a batch must not go on with it when it
wakes: so every connector asks here before it writes, `transport.Wire` for all that use it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Ask = Callable[[], None]
"""Raises `connectors.errors.Unavailable` where nothing may be sent any more."""

_ASK: Final[ContextVar[Ask | None]] = ContextVar("fence", default=None)


@contextmanager
def fenced(ask: Ask | None) -> Iterator[None]:
    """Let `ask` be asked before each request of this block, in this thread."""
    before = _ASK.set(ask)
    try:
        yield
    finally:
        _ASK.reset(before)


def fence() -> Ask | None:
    """Return who is to be asked: a connector with threads of its own hands it on to them."""
    return _ASK.get()


def check() -> None:
    """Raise `Unavailable` where nothing may be sent any more: nothing was accepted."""
    ask = _ASK.get()
    if ask is not None:
        ask()

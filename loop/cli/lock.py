"""One process runs the loop on a SQLite file: the start of a second one is refused.

A lock on a file beside the database, kept by the system: it is gone with the process, however
that ends. Whoever runs the loop has it alone; commands that deliver by themselves share it, so
that no loop starts meanwhile and takes their claims for those of a dead process.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loop.app import App
from loop.config import Mendable
from loop.store import Store

PAUSE_S: Final = 0.1


class Occupied(Mendable):
    """Another process is at work on the database, or would be."""


def several(app: App) -> None:
    """Raise `Occupied` where several processes cannot work together.

    They need a database that is for many, and one secret: it is what links are made from.
    """
    if app.store.lite:
        raise Occupied(
            f"{app.store.url.database} is SQLite, which is for one process: `npsloop run` does all "
            "in one, or set database.url to a PostgreSQL database"
        )
    if app.config.secret is None:
        raise Occupied("all processes need the same secret: set secret_file")


@contextmanager
def alone(store: Store, wait_s: float = 0) -> Iterator[None]:
    """Have the database for this process alone.

    Raise `Occupied` where another has it, and does not end within `wait_s` seconds.
    """
    path = _path(store)
    if path is None:
        yield
        return
    until = time.monotonic() + wait_s
    with _open(path) as handle:
        while not _taken(handle, fcntl.LOCK_EX):
            if time.monotonic() > until:
                raise Occupied(_words(path, store))
            time.sleep(PAUSE_S)
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        try:
            yield
        finally:
            os.ftruncate(handle, 0)


@contextmanager
def shared(store: Store) -> Iterator[None]:
    """Let no loop start on the database meanwhile; one that runs already is no hindrance."""
    path = _path(store)
    if path is None:
        yield
        return
    with _open(path) as handle:
        _taken(handle, fcntl.LOCK_SH)
        yield


def _path(store: Store) -> Path | None:
    """Return the lock's file; None for PostgreSQL, and for what is in memory."""
    name = store.url.database
    if not store.lite or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(f"{name}.lock")


@contextmanager
def _open(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def _taken(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _words(path: Path, store: Store) -> str:
    process = path.read_text(encoding="utf-8").strip()
    who = f"process {process} runs the loop" if process else "a command delivers"
    return f"{who} on {store.url.database} already: end it first, or set another database.url"

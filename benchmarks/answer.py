"""Answers a second, each committed before its reply, over 32 connections.

Ours is the whole web application on uvicorn: revision, move, case, referral and all effects. The
bound is a bare ASGI application on the same uvicorn that inserts one row, with a group commit.
"""

import asyncio
import queue
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, Final

import measure
import uvicorn
import world
from press import press

from connectors.memory import MemoryCrm
from loop.app import Purpose, utc_now
from loop.models import Effect
from loop.states import EffectState, Kind
from loop.store import Store
from loop.web import application

N: Final = 5_000
WARM_UP: Final = 200
SLICES: Final = 8
"""How often a round changes sides: what else the machine does meets both alike."""
Waiting = tuple[str, "asyncio.Future[None]"]


def serve_ours(connection: Connection, url: str) -> None:
    """Serve the real application."""
    _serve(connection, application(world.app(url, {world.CRM: MemoryCrm()})))


def serve_bound(connection: Connection, path: str) -> None:
    """Serve the least there is."""
    _serve(connection, Least(path))


def main() -> None:
    """Measure: both serve all the time, and are pressed in turn, some answers at a time."""
    given = measure.options(__doc__ or "", N).parse_args()
    tokens = [world.KEYS.token(Purpose.ANSWER, world.number(at)) for at in range(given.n + WARM_UP)]
    step = max(1, given.n // (given.rounds * SLICES))
    rates: tuple[list[float], list[float]] = [], []
    waits: tuple[list[float], list[float]] = [], []
    with _both(len(tokens)) as ports:
        for port in ports:
            press(port, tokens[:WARM_UP])
        for start in range(WARM_UP, len(tokens), step):
            some = tokens[start : start + step]
            for port, rate, wait in zip(ports, rates, waits, strict=True):
                took, waited = press(port, some)
                rate.append(len(some) / took)
                wait.extend(waited)
    told = measure.compared(given.n, *rates)
    told["p99_ms"] = round(measure.percentile_ms(waits[0], 99), 1)
    measure.tell("answer", told, as_json=given.json)


@contextmanager
def _both(n: int) -> Iterator[tuple[int, int]]:
    """Serve both, give their ports, and see at the end that they kept every answer."""
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{name}.db" for name in ("npsloop", "bound")]
        _prepare(f"sqlite:///{files[0]}", n)
        with (
            measure.beside(serve_ours, f"sqlite:///{files[0]}") as first,
            measure.beside(serve_bound, files[1]) as second,
        ):
            yield first, second
        for file in files:
            with closing(sqlite3.connect(file)) as database:
                _expect(n, database.execute("SELECT count(*) FROM answer").fetchone()[0])


class Least:
    """An ASGI application: takes a form, hands it to one writer, replies once it is committed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._waiting: queue.SimpleQueue[Waiting] = queue.SimpleQueue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        """Take one request."""
        if scope["type"] == "lifespan":
            await receive()
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._work, daemon=True).start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        message = await receive()
        kept: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put((message["body"].decode(), kept))
        await kept
        headers = [(b"location", b"/thanks"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _work(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE answer (id INTEGER PRIMARY KEY, form TEXT)")
        while True:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            database.execute("BEGIN IMMEDIATE")
            for form, _ in batch:
                database.execute("INSERT INTO answer (form) VALUES (?)", (form,))
            database.execute("COMMIT")
            self._loop.call_soon_threadsafe(_tell, [kept for _, kept in batch])


def _tell(kept: list["asyncio.Future[None]"]) -> None:
    for one in kept:
        one.set_result(None)


def _serve(connection: Connection, app: Any) -> None:  # noqa: ANN401 - any ASGI application
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        connection.send(listener.getsockname()[1])
        config = uvicorn.Config(app, log_config=None, server_header=False, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


def _prepare(url: str, n: int) -> None:
    """Ask `n` customers."""
    store, now = Store(url), utc_now()
    store.upgrade()
    with store.write() as session:
        world.ask(session, n, now)
        world.insert_all(session, Effect, (_effect(at, now) for at in range(n)))
    store.close()


def _effect(at: int, now: datetime) -> dict[str, Any]:
    survey_id = world.number(at)
    return {
        "id": world.number(at),
        "key": f"{Kind.ASK}:{survey_id}",
        "kind": Kind.ASK,
        "lane": "mail.letters",
        "state": EffectState.DONE,
        "survey_id": survey_id,
        "due_at": now,
        "created_at": now,
        "settled_at": now,
    }


def _expect(wanted: int, found: int | None) -> None:
    if wanted != found:
        message = f"{found} answers were kept, not {wanted}"
        raise RuntimeError(message)


if __name__ == "__main__":
    main()

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
from datetime import datetime, timedelta
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Final

import measure
import uvicorn
from press import press
from sqlalchemy import insert
from sqlmodel import Session

from connectors.memory import MemoryCrm, MemoryMailer
from loop.app import App, Keys, Purpose, utc_now
from loop.config import Config
from loop.letters import Letters
from loop.models import Account, Contact, Customer, Effect, Survey
from loop.resources import templates
from loop.states import EffectState, Kind, Stage
from loop.store import Store, table
from loop.web import application

N: Final = 5_000
WARM_UP: Final = 200
SLICES: Final = 8
"""How often a round changes sides: what else the machine does meets both alike."""
CRM: Final = "memory_crm"
KEYS: Final = Keys("a secret that only this benchmark knows")
OPEN_DAYS: Final = 60
AT_ONCE: Final = 1_000
Waiting = tuple[str, "asyncio.Future[None]"]


def serve_ours(connection: Connection, url: str) -> None:
    """Serve the real application."""
    _serve(connection, application(_app(url)))


def serve_bound(connection: Connection, path: str) -> None:
    """Serve the least there is."""
    _serve(connection, Least(path))


def main() -> None:
    """Measure: both serve all the time, and are pressed in turn, some answers at a time."""
    given = measure.options(__doc__ or "", N).parse_args()
    tokens = [KEYS.token(Purpose.ANSWER, _survey_id(at)) for at in range(given.n + WARM_UP)]
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


def _app(url: str) -> App:
    return App(
        config=Config(),
        store=Store(url),
        crms={CRM: MemoryCrm()},
        mailer=MemoryMailer(),
        letters=Letters(builtin=templates()),
        keys=KEYS,
    )


def _prepare(url: str, n: int) -> None:
    """Ask `n` customers, ten of each company."""
    store, now = Store(url), utc_now()
    store.upgrade()
    with store.write() as session:
        _insert(session, Account, (_account(at) for at in range(n // 10 + 1)))
        _insert(session, Customer, (_customer(at, now) for at in range(n)))
        _insert(session, Contact, (_contact(at) for at in range(n)))
        _insert(session, Survey, (_survey(at, now) for at in range(n)))
        _insert(session, Effect, (_effect(at, now) for at in range(n)))
    store.close()


def _insert(session: Session, model: type[Any], rows: Iterator[dict[str, Any]]) -> None:
    while some := list(islice(rows, AT_ONCE)):
        session.connection().execute(insert(table(model)), some)


def _account(at: int) -> dict[str, Any]:
    return {"id": f"{CRM}:a{at}", "crm": CRM, "remote_id": f"a{at}", "name": f"Acme {at}"}


def _customer(at: int, now: datetime) -> dict[str, Any]:
    email = f"ann.{at}@acme.example"
    return {
        "id": f"{at:032x}",
        "email": email,
        "address_hash": KEYS.address(email),
        "created_at": now,
    }


def _contact(at: int) -> dict[str, Any]:
    return {
        "id": f"{CRM}:c{at}",
        "crm": CRM,
        "remote_id": f"c{at}",
        "customer_id": f"{at:032x}",
        "email": f"ann.{at}@acme.example",
        "first_name": "Ann",
        "last_name": f"Archer {at}",
        "account_id": f"{CRM}:a{at // 10}",
    }


def _survey(at: int, now: datetime) -> dict[str, Any]:
    survey_id = _survey_id(at)
    return {
        "id": survey_id,
        "program": "relationship",
        "customer_id": f"{at:032x}",
        "contact_id": f"{CRM}:c{at}",
        "account_id": f"{CRM}:a{at // 10}",
        "owner_id": "",
        "stage": Stage.ASKED,
        "chosen_at": now,
        "asked_at": now,
        "expires_at": now + timedelta(days=OPEN_DAYS),
        "answer_hash": KEYS.hash_of(Purpose.ANSWER, survey_id),
        "leave_hash": KEYS.hash_of(Purpose.LEAVE, survey_id),
        "snapshot": {"first_name": "Ann", "product": "the Example", "reason": "", "locale": "en"},
    }


def _effect(at: int, now: datetime) -> dict[str, Any]:
    survey_id = _survey_id(at)
    return {
        "id": f"{at:032x}",
        "key": f"{Kind.ASK}:{survey_id}",
        "kind": Kind.ASK,
        "lane": "mail.letters",
        "state": EffectState.DONE,
        "survey_id": survey_id,
        "due_at": now,
        "created_at": now,
        "settled_at": now,
    }


def _survey_id(at: int) -> str:
    return f"{at:032x}"


def _expect(wanted: int, found: int | None) -> None:
    if wanted != found:
        message = f"{found} answers were kept, not {wanted}"
        raise RuntimeError(message)


if __name__ == "__main__":
    main()

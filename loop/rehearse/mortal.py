"""Workers that are killed: `python -m loop.rehearse.mortal` holds them, each in a slot.

A worker is forked, because starting Python takes longer than such a life: it serves the pages,
runs the jobs again and again, and is killed 30 to 120 ms after it is at work; then comes the
next. What to do is read from stdin, as JSON; stdout gets a line for each death, stderr what
workers log as a bug of ours.
"""

import gc
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, Final, cast

import msgspec
import uvicorn

from connectors.sendgrid import SendGrid
from loop import schedule
from loop.app import App, build
from loop.config import Config
from loop.outbox import reap
from loop.web import application

LIFE_S: Final = (0.030, 0.120)
BATCH: Final = 8
"""Small, so that death comes at every point."""
PAUSE_S: Final = 0.02
CHILDHOOD_S: Final = 2.0
KILLED: Final = "killed"
FELL: Final = "fell"
"""It died before it was killed: a bug of ours."""


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """How many are to die, and what they work with."""

    settings: dict[str, Any]
    seed: int
    kills: int
    workers: int
    listener: int
    """The number of the open socket at which the pages are asked for."""

    def app(self) -> App:
        """Return the app; nothing is opened yet."""
        return build(Config.model_validate(self.settings), self.settings["secret"])


def main() -> None:
    """Hold the workers until all have died."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")
    sentence = msgspec.json.decode(sys.stdin.readline(), type=Sentence)
    app = _grown(sentence)
    keepers = [_forked(partial(_keep, app, sentence, slot)) for slot in range(sentence.workers)]
    for keeper in keepers:
        os.waitpid(keeper, 0)


def _grown(sentence: Sentence) -> App:
    """Let a first worker live until it has seen most of its work; return what it leaves behind.

    Statements and templates that it compiled need not be compiled in each of the next; it leaves
    no connection and no thread.
    """
    app, fresh = sentence.app(), sentence.app()
    fresh.mailer.batch = BATCH
    for crm in fresh.crms.values():
        crm.batch = BATCH
    with _served(app, sentence.listener):
        _begin(app)
        _work(app, time.monotonic() + CHILDHOOD_S)
    cast("SendGrid", app.mailer).close()
    app.store.close()
    gc.freeze()  # what all share is not to be copied only because it is looked at
    return replace(app, crms=fresh.crms, mailer=fresh.mailer)


def _forked(act: Callable[[], None]) -> int:
    """Do it in a process of its own; return that process's id."""
    child = os.fork()
    if child:
        return child
    try:
        act()
    except BaseException:  # noqa: BLE001 - nothing of it may go on here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _keep(app: App, sentence: Sentence, slot: int) -> None:
    """Fork one worker after the other into this slot, and kill each."""
    holder = os.getppid()
    for number in range(slot, sentence.kills, sentence.workers):
        if os.getppid() != holder:
            return  # the whole is over
        chance = Random(f"{sentence.seed}:{number}")  # noqa: S311 - a play, no secret
        born, bears = os.pipe()
        worker = _forked(partial(_live, app, sentence.listener, bears))
        os.close(bears)
        os.read(born, 1)
        os.close(born)
        time.sleep(chance.uniform(*LIFE_S))
        os.kill(worker, signal.SIGKILL)
        killed = os.WIFSIGNALED(os.waitpid(worker, 0)[1])
        os.write(sys.stdout.fileno(), f"{KILLED if killed else FELL}\n".encode())


def _live(app: App, listener: int, bears: int) -> None:
    """Serve and work, as a process does from its start, until death."""
    app = replace(app, worker=f"mortal-{os.getpid()}-{time.monotonic_ns()}")
    _begin(app)
    with _served(app, listener):
        os.write(bears, b"!")
        _work(app)


def _begin(app: App) -> None:
    """Free what the dead have left; on PostgreSQL only whose lease is over."""
    reap(app, all_claims=app.store.lite)
    if app.store.lite:
        schedule.abandoned(app)


@contextmanager
def _served(app: App, listener: int) -> Iterator[None]:
    """Serve the pages in a thread, from now on."""
    server = uvicorn.Server(uvicorn.Config(application(app), log_config=None))
    at = socket.socket(fileno=os.dup(listener))
    thread = threading.Thread(target=server.run, args=([at],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.001)
    yield
    server.should_exit = True
    thread.join()


def _work(app: App, until: float = math.inf) -> None:
    """Drain the lanes, and fire what is due besides, again and again."""
    while time.monotonic() < until:
        schedule.deliver(app)
        for firing in schedule.tick(app):
            schedule.fire(app, firing)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()

"""Takes answers durably and fast: one writer commits what has gathered, then all reply.

A commit costs as much for one answer as for fifty. So each request hands its answer over and
waits; the writer takes all that wait, keeps them in one transaction, and tells each how it
ended. Nobody is thanked before the commit.
"""

import asyncio
import queue
import threading
import time
from typing import Final

from loop.answer import Given, Gone, Invalid, Taken, keep
from loop.app import App

BATCH_MAX: Final = 200
QUIET_S: Final = 0.001
"""As long as answers come in faster than this, the writer waits for more of them,"""
GATHER_S: Final = 0.02
"""and for this long at most."""
Result = Taken | Gone | Invalid
Waiting = tuple[Given, "asyncio.Future[Result]", asyncio.AbstractEventLoop]


class Intake:
    """The one writer of answers."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="answers")

    def start(self) -> None:
        """Begin to take answers."""
        self._thread.start()

    def stop(self) -> None:
        """Keep what was handed over, then stop."""
        self._waiting.put(None)
        self._thread.join()

    async def keep(self, given: Given) -> Result:
        """Keep one answer; return once it is committed. Raise what went wrong."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.put((given, future, loop))
        return await future

    def _work(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if batch:
                self._keep(batch)

    def _gather(self) -> tuple[list[Waiting], bool]:
        batch: list[Waiting] = []
        found = self._waiting.get()
        until = time.monotonic() + GATHER_S
        while found is not None:
            batch.append(found)
            if len(batch) == BATCH_MAX or time.monotonic() > until:
                return batch, True
            try:
                found = self._waiting.get(timeout=QUIET_S)
            except queue.Empty:
                return batch, True
        return batch, False

    def _keep(self, batch: list[Waiting]) -> None:
        """Keep them together; where that fails, each by itself, so that one stops no other."""
        try:
            with self._app.store.write() as session:
                results = keep(self._app, session, [given for given, _, _ in batch])
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            if len(batch) > 1:
                for one in batch:
                    self._keep([one])
                return
            _, future, loop = batch[0]
            loop.call_soon_threadsafe(_fail, future, error)
            return
        told: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Result], Result]]] = {}
        for (_, future, loop), result in zip(batch, results, strict=True):
            told.setdefault(loop, []).append((future, result))
        for loop, all_of_it in told.items():
            loop.call_soon_threadsafe(_tell, all_of_it)


def _tell(told: "list[tuple[asyncio.Future[Result], Result]]") -> None:
    for future, result in told:
        if not future.done():
            future.set_result(result)


def _fail(future: "asyncio.Future[Result]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)

"""Takes answers durably and fast: one writer commits what has gathered, then all reply.

A commit costs as much for one answer as for fifty. So each request hands its answer over and
waits; the writer takes all that wait, keeps them in one transaction, and tells each how it
ended. Nobody is thanked before the commit.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from loop.answer import Given, Gone, Invalid, Taken, keep
from loop.app import App
from loop.store import PASSING

BATCH_MAX: Final = 200
GATHER_S: Final = 0.001
"""The first answer waits so long for others: who were just thanked send their next together."""
Result = Taken | Gone | Invalid


class Intake:
    """The one writer of answers. All but the writing itself happens in the event loop."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: list[tuple[Given, asyncio.Future[Result]]] = []
        self._work: asyncio.Task[None] | None = None
        self._writer = ThreadPoolExecutor(1, "answers")

    async def keep(self, given: Given) -> Result:
        """Keep one answer; return once it is committed. Raise what went wrong."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, future))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._take())
        return await future

    async def stop(self) -> None:
        """Keep what was handed over, then stop."""
        if self._work is not None:
            await self._work
        self._writer.shutdown()

    async def _take(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            await self._keep_some()

    async def _keep_some(self) -> None:
        batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._writer, self._kept, [g for g, _ in batch])
        except RuntimeError as error:  # the writer has stopped: nobody waits in vain
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # whoever waited has hung up
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _kept(self, given: Sequence[Given]) -> Sequence[Result | Exception]:
        """Keep them together; where that fails, each by itself, so that one stops no other."""
        try:
            return self._app.store.work(lambda session: keep(self._app, session, given))
        except PASSING as error:  # the database's trouble, not one answer's
            return [error] * len(given)
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            if len(given) == 1:
                return [error]
            return [self._kept([one])[0] for one in given]

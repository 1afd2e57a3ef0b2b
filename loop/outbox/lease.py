"""The lease of a call: renewed while the call runs, made sure of before each request.

A call lasts as long as its service takes; a lease is short, so that a worker that died is found
soon. Hence the heartbeat. Before each request the worker makes sure that it was not away: where a
beat is missing it was frozen, or its database is gone, and only the database knows whether
somebody else has settled the batch by now.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from connectors.errors import Unavailable
from connectors.fence import fenced
from loop.app import App
from loop.models import Call
from loop.outbox.lanes import service
from loop.store import table

LEASE: Final = timedelta(minutes=2)
"""So long after its last beat a worker counts as dead."""
BEAT_S: Final = 20.0
STALE: Final = timedelta(seconds=1.5 * BEAT_S)
"""An older beat says nothing. What a lease has left until then outlasts any time-out."""
log: Final = logging.getLogger(__name__)


@contextmanager
def keeping(app: App, call: Call) -> Iterator[None]:
    """Keep the lease of a call for a block; nothing is sent in it once the lease is lost."""
    lease = _Lease(app, call)
    over = threading.Event()
    heart = threading.Thread(target=lease.beat_until, args=(over,), name="heartbeat", daemon=True)
    heart.start()
    try:
        with fenced(lease.hold):
            yield
    finally:
        over.set()
        heart.join()


class _Lease:
    def __init__(self, app: App, call: Call) -> None:
        self.app = app
        self.call = call
        self._beat_at = call.started_at
        self._lost = False

    def hold(self) -> None:
        """Raise `Unavailable` where the lease may be lost."""
        if not self._fresh():
            self._beat()
            if not self._fresh():
                away = "we were away for too long in the middle of the call"
                raise Unavailable(service(self.call.lane), away)

    def beat_until(self, over: threading.Event) -> None:
        """Renew the lease again and again."""
        while not over.wait(BEAT_S):
            self._beat()

    def _fresh(self) -> bool:
        """Tell whether we were at work all the time. A clock may jump both ways."""
        return not self._lost and abs(self.app.now() - self._beat_at) < STALE

    def _beat(self) -> None:
        now, row = self.app.now(), table(Call)
        ours = (row.c.id == self.call.id) & row.c.ended_at.is_(None) & (row.c.lease_until > now)
        try:
            with self.app.store.write() as session:
                renewed = update(row).where(ours).values(lease_until=now + LEASE)
                self._lost = session.connection().execute(renewed).rowcount == 0
            self._beat_at = now
        except SQLAlchemyError as error:
            log.warning("a lease could not be renewed: %s", type(error).__name__)

"""A worker that can be killed: `python -m tests.dying` forks one for each line it is sent.

Forked, because starting Python anew takes longer than the work. It reads the configuration, as
JSON, from its first line. A worker prints its process id and when it is at work; when it is dead
it prints how it ended.
"""

import os
import sys
from typing import Final

import msgspec
from sqlmodel import col, select

from loop import schedule
from loop.app import build
from loop.config import Config
from loop.models import Effect
from loop.outbox import reap
from loop.states import EffectState
from loop.store import Store

BATCH: Final = 15
"""Small, so that death comes at every point."""
SECRET: Final = "only these tests know it, and it is long enough"


def work(config: Config) -> None:
    """Deliver until nothing is due, as the only process does from its start."""
    app = build(config, SECRET)
    app.mailer.batch = BATCH
    for crm in app.crms.values():
        crm.batch = BATCH
    reap(app, all_claims=True)
    print("at work", flush=True)  # noqa: T201 - how it tells
    while _due(app.store):
        schedule.deliver(app)


def _due(store: Store) -> bool:
    query = select(col(Effect.id)).where(col(Effect.state) == EffectState.DUE).limit(1)
    with store.read() as session:
        return session.scalars(query).first() is not None


def main() -> None:
    """Fork a worker for each line."""
    config = Config.model_validate(msgspec.json.decode(sys.stdin.readline()))
    build(config, SECRET)  # so that all is imported
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            print(os.getpid(), flush=True)  # noqa: T201 - how it tells
            try:
                work(config)
            finally:
                os._exit(0)
        print(os.waitpid(pid, 0)[1], flush=True)  # noqa: T201 - how it tells


if __name__ == "__main__":
    main()

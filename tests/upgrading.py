"""An upgrade that is killed: `python -m tests.upgrading URL` forks one, and kills it.

Forked, because starting Python anew takes longer than the upgrade. For each line `N` that it
is sent, an upgrade of the database dies by SIGKILL right after its Nth statement; it prints
whether it did. With fewer statements than that the upgrade is finished.
"""

import os
import signal
import sys

from sqlalchemy import event

from loop.store import Store


def upgrade(url: str, dies_after: int) -> None:
    """Upgrade, and die after so many statements."""
    store, met = Store(url), 0

    @event.listens_for(store.engine, "after_cursor_execute")
    def _die(*_: object) -> None:
        nonlocal met
        met += 1
        if met == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    store.upgrade()


def main() -> None:
    """Fork an upgrade for each line."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            upgrade(sys.argv[1], int(line))
            os._exit(0)
        died = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        print("died" if died else "finished", flush=True)  # noqa: T201 - how it tells


if __name__ == "__main__":
    main()

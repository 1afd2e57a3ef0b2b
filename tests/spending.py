"""A process that calls a service as fast as its budget allows: `python -m tests.spending`.

Arguments: the database, the service's address, calls, seconds, and how long it works. It prints
when it made each call, by the clock that all processes of a machine share.
"""

import sys
import time

from connectors.budget import Budget
from connectors.errors import Unavailable
from connectors.transport import Wire, retry_after_s
from loop import budgets
from loop.store import Store


def main(database: str, address: str, calls: int, per_s: float, works_s: float) -> None:
    """Call until the time is over."""
    budget = Budget("crm.calls", calls, per_s)
    budget.keeper = budgets.keeper(Store(database))
    wire = Wire("crm", origin=address)
    print("at work", flush=True)  # noqa: T201 - how it tells
    sys.stdin.readline()
    until = time.monotonic() + works_s
    while time.monotonic() < until:
        try:
            budget.spend("crm")
        except Unavailable as error:
            time.sleep(min(error.retry_after_s or 0.1, 0.1))
            continue
        print(time.monotonic(), flush=True)  # noqa: T201 - how it tells
        answer = wire.request("POST", "/")
        if answer.status == 429:
            budget.pause(retry_after_s(answer.headers) or 1.0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))

"""Rate budgets that hold for all processes on a database."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.budget import Budget, Limit
from connectors.errors import Unavailable
from connectors.sandbox.server import running
from loop import budgets, models
from loop.store import Store
from tests.connectors.test_budget import fullest

CALLS, PER_S, SLACK = 60, 2.0, 1.1
WORKS_S = 5.0
PAUSE_S = 2.0


def held(store: Store, name: str = "crm.calls", calls: int | None = 5) -> Budget:
    """Return a budget of ten seconds as a process has it that has just begun."""
    budget = Budget(name, calls, 10.0)
    budget.keeper = budgets.InDatabase(store)
    return budget


def spend(budget: Budget, calls: int) -> None:
    for _ in range(calls):
        budget.spend("crm")


def test_two_processes_share_what_there_is(store: Store) -> None:
    first, second = held(store), held(store)
    spend(first, 2)
    spend(second, 3)

    for budget in (first, second):
        budget.patience_s = 0.0
        with pytest.raises(Unavailable) as caught:
            spend(budget, 1)
        assert 8.0 < (caught.value.retry_after_s or 0) < 10.6


def test_a_pause_holds_for_the_others(store: Store) -> None:
    first, second = held(store), held(store)
    spend(second, 1)
    first.pause(60.0)

    with pytest.raises(Unavailable, match="it asked us to wait"):
        spend(second, 1)
    shut = second.shut("crm")
    assert shut is not None
    assert shut.retry_after_s == pytest.approx(60.0, abs=5.0)


def test_other_budgets_go_on(store: Store) -> None:
    held(store, "crm.calls").pause(60.0)

    spend(held(store, "other.calls"), 5)


def test_who_does_not_know_the_limit_is_held_to_the_one_last_told(store: Store) -> None:
    spend(held(store, calls=3), 2)
    late = held(store, calls=None)
    spend(late, 1)
    late.patience_s = 0.0

    with pytest.raises(Unavailable):
        spend(late, 1)


def test_looking_writes_nothing(store: Store) -> None:
    assert held(store).shut("crm") is None

    with store.read() as session:
        row = session.get(models.Budget, "crm.calls")
    assert row is None or row.slices == []


def test_threads_that_begin_together_make_one_row(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(lambda _: spend(held(store, calls=8), 1), range(8)):
            pass

    with store.read() as session:
        row = session.get_one(models.Budget, "crm.calls")
    assert sum(given for _, given in row.slices) == 8


def test_a_database_that_is_gone_stops_the_calls(tmp_path: object) -> None:
    budget = held(Store(f"sqlite:///{tmp_path}/nowhere/npsloop.db"))

    with pytest.raises(Unavailable, match="the database that counts its calls"):
        spend(budget, 1)


def test_a_lasting_budget_outlasts_a_restart(store: Store) -> None:
    """A day's share is the day's, however often the program is started."""
    for _ in range(2):
        day = Budget("salesforce.day", 4, 86_400.0)
        day.keeper = budgets.keeper(store)
        spend(day, 2)

    day = Budget("salesforce.day", None, 86_400.0)
    day.keeper = budgets.keeper(store)
    with pytest.raises(Unavailable):
        spend(day, 1)


def test_one_process_writes_no_short_budget_down(store: Store) -> None:
    keeper = budgets.keeper(store)

    keeper.take(Limit("crm.calls", 5, 10.0), 1)
    keeper.pause(Limit("crm.calls", 5, 10.0), 1.0)

    with store.read() as session:
        assert (session.get(models.Budget, "crm.calls") is None) is store.lite


# Three processes


@dataclass
class Service:
    """A service that allows so many calls in any window, and notes when each came."""

    came: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    pause_at: float = float("inf")

    async def answer(self, _request: Request) -> Response:
        now = time.monotonic()
        recent = sum(at > now - PER_S for at in self.came[-CALLS:])
        paused = self.pause_at <= now
        if paused or recent >= CALLS:
            self.refused.append(now)
            self.pause_at = float("inf")
            return Response(status_code=429, headers={"Retry-After": f"{PAUSE_S:.0f}"})
        self.came.append(now)
        return Response()


@pytest.fixture
def service() -> Iterator[tuple[Service, str]]:
    made = Service()
    application = Starlette(routes=[Route("/", made.answer, methods=["POST"])])
    with running(application) as address:
        yield made, address


def three_at_work(
    database: str, service: Service, address: str, pause_after_s: float
) -> list[float]:
    """Let three processes call, and return when each of their calls was made."""
    command = [sys.executable, "-m", "tests.spending", database, address]
    command += [str(CALLS), str(PER_S * SLACK), str(WORKS_S)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
    service.pause_at = time.monotonic() + pause_after_s
    with ThreadPoolExecutor(3) as threads:
        told = list(threads.map(lambda one: one.communicate("\n", timeout=60)[0], processes))
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all(len(lines.split()) > CALLS / 6 for lines in told)
    return sorted(float(line) for lines in told for line in lines.split())


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_three_processes_stay_within_every_window(
    database_url: str, service: tuple[Service, str]
) -> None:
    made = three_at_work(database_url, *service, pause_after_s=float("inf"))

    assert service[0].refused == []
    assert fullest(made, PER_S) <= CALLS
    assert len(made) > 0.5 * CALLS * WORKS_S / PER_S


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_pause_asked_of_one_process_holds_for_three(
    database_url: str, service: tuple[Service, str]
) -> None:
    made = three_at_work(database_url, *service, pause_after_s=1.0)

    [paused] = service[0].refused
    held_s = PER_S * SLACK / 20
    assert [at for at in made if paused + held_s + 0.2 < at < paused + PAUSE_S] == []
    assert max(after - before for before, after in pairwise(made)) > PAUSE_S - held_s - 0.2
    assert made[-1] > paused + PAUSE_S
    assert service[0].came[-1] > paused + PAUSE_S

"""A budget: at most so many calls in any so many seconds, for whoever asks its keeper."""

import random
import threading
import time
from collections.abc import Sequence

import pytest

from connectors.budget import SLICES, Budget, Grant, InMemory, Limit, Spent
from connectors.errors import Unavailable


def test_a_budget_spreads_calls_over_time() -> None:
    budget = Budget("calls", 3, per_s=0.3)
    begun = time.monotonic()

    for _ in range(7):
        budget.spend("crm")

    assert 0.55 < time.monotonic() - begun < 2.0


def test_a_budget_holds_for_all_threads() -> None:
    budget = Budget("calls", 5, per_s=0.4)
    spent: list[float] = []

    def spend() -> None:
        for _ in range(5):
            budget.spend("crm")
            spent.append(time.monotonic())

    threads = [threading.Thread(target=spend) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    times = sorted(spent)
    assert min(after - first for first, after in zip(times, times[5:], strict=False)) > 0.35


def test_a_long_pause_is_told_with_what_is_left_of_it() -> None:
    budget = Budget("calls", 100, per_s=1.0)
    budget.pause(30.0)
    budget.pause(5.0)

    with pytest.raises(Unavailable, match="it asked us to wait") as caught:
        budget.spend("crm")

    assert caught.value.retry_after_s == pytest.approx(30.0, abs=1.0)


def test_a_short_pause_is_waited_for() -> None:
    budget = Budget("calls", 100, per_s=1.0)
    budget.spend("crm")
    budget.pause(0.2)
    begun = time.monotonic()

    budget.spend("crm")

    assert time.monotonic() - begun >= 0.2


def test_a_budget_that_is_spent_for_long_is_told_with_its_reason() -> None:
    budget = Budget("day", 2, per_s=86_400.0, why="the day is spent")
    assert budget.shut("crm") is None
    budget.spend("crm")
    budget.spend("crm")

    with pytest.raises(Unavailable, match="the day is spent: nothing goes out until 2") as caught:
        budget.spend("crm")

    shut = budget.shut("crm")
    assert shut is not None
    assert shut.retry_after_s == pytest.approx(caught.value.retry_after_s, abs=1.0)
    assert 86_400 - 4_400 < (caught.value.retry_after_s or 0) < 86_400 + 4_400


def test_a_limit_that_the_service_has_yet_to_say_is_none() -> None:
    budget = Budget("day", None, per_s=86_400.0)
    for _ in range(50):
        budget.spend("crm")

    budget.calls = 51
    budget.spend("crm")

    with pytest.raises(Unavailable):
        budget.spend("crm")


class Handing:
    """A keeper that tells how many calls it was asked for, and gives as many."""

    def __init__(self, for_s: float) -> None:
        self.asked: list[int] = []
        self.for_s = for_s

    def take(self, limit: Limit, most: int) -> Grant:  # noqa: ARG002 - a keeper's
        self.asked.append(most)
        return Grant(most, for_s=self.for_s)

    def pause(self, limit: Limit, seconds: float) -> None:  # noqa: ARG002 - a keeper's
        self.asked.append(0)


def test_a_handful_grows_while_it_is_used_up() -> None:
    budget = Budget("calls", 200, per_s=10.0)
    keeper = budget.keeper = Handing(for_s=60.0)

    for _ in range(100):
        budget.spend("crm")

    assert keeper.asked[:4] == [2, 4, 8, 10]
    assert max(keeper.asked) == 200 // SLICES
    assert len(keeper.asked) < 15


def test_a_handful_shrinks_when_its_time_is_over() -> None:
    budget = Budget("calls", 200, per_s=10.0)
    keeper = budget.keeper = Handing(for_s=60.0)
    for _ in range(40):
        budget.spend("crm")
    keeper.for_s = 0.0

    for _ in range(20):
        budget.spend("crm")

    assert keeper.asked[-1] == 1


def test_a_scarce_call_is_taken_by_itself() -> None:
    """What is not used of a handful is spent all the same."""
    budget = Budget("day", 20_000, per_s=86_400.0)
    keeper = budget.keeper = Handing(for_s=60.0)

    for _ in range(30):
        budget.spend("crm")

    assert keeper.asked == [1] * 30


def test_a_keeper_that_cannot_be_told_of_a_pause_loses_no_answer() -> None:
    class Gone(InMemory):
        def pause(self, limit: Limit, seconds: float) -> None:
            raise Unavailable(limit.name, f"it is gone for {seconds}")

    budget = Budget("calls", 5, per_s=10.0)
    budget.keeper = Gone()

    budget.pause(60.0)

    budget.spend("crm")


def test_a_pause_throws_a_handful_away() -> None:
    budget = Budget("calls", 200, per_s=10.0)
    keeper = budget.keeper = Handing(for_s=60.0)
    budget.spend("crm")
    budget.pause(1.0)

    budget.spend("crm")

    assert len(keeper.asked) == 3


@pytest.mark.parametrize("seed", range(20))
def test_no_window_exceeds_the_limit_wherever_it_begins(seed: int) -> None:
    chance = random.Random(seed)
    limit = Limit("calls", chance.randint(1, 40), chance.choice([0.5, 1.0, 10.0, 86_400.0]))
    spent, now, made = Spent(), chance.uniform(0, 2e9), []

    for _ in range(2_000):
        grant = spent.take(limit, chance.randint(1, 5), now)
        assert grant.calls or grant.wait_s > 0
        made += [now + chance.uniform(0, grant.for_s) for _ in range(grant.calls)]
        now += chance.choice([0, grant.wait_s, limit.per_s * chance.random() / 10])

    assert fullest(made, limit.per_s) <= (limit.calls or 0)


def test_a_wait_is_as_long_as_it_has_to_be() -> None:
    limit, spent, now = Limit("calls", 7, 10.0), Spent(), 100.3
    spent.take(limit, 3, now)
    spent.take(limit, 4, now + 2.0)

    wait_s = spent.take(limit, 1, now + 4.0).wait_s

    assert spent.take(limit, 9, now + 4.0 + wait_s - 0.01).calls == 0
    assert spent.take(limit, 9, now + 4.0 + wait_s + 0.01).calls == 3


def test_nobody_gets_more_than_asked_for_or_for_longer_than_a_second() -> None:
    assert Spent().take(Limit("calls", 50, 10.0), 2, now=100.0) == Grant(2, for_s=0.5)
    assert Spent().take(Limit("day", 50, 86_400.0), 2, now=0.0) == Grant(2, for_s=1.0)


def test_little_is_remembered() -> None:
    """One number for each slice of a window, however many calls there were."""
    limit, spent = Limit("calls", 1_000, 10.0), Spent()

    for tenth in range(1_000):
        spent.take(limit, 1, now=tenth / 10)

    assert len(spent.slices) == SLICES + 1
    assert {given for _, given in spent.slices} == {5}


def test_a_waiting_caller_gets_nearly_the_whole_limit() -> None:
    limit, spent, now, given = Limit("calls", 190, 10.0), Spent(), 0.0, 0

    while now < 1_000.0:
        grant = spent.take(limit, 5, now)
        given += grant.calls
        now += grant.wait_s

    assert given / 100 > 190 * 0.94


def test_a_clock_that_is_put_back_stops_nobody() -> None:
    limit, spent = Limit("calls", 5, 10.0), Spent()
    spent.take(limit, 5, now=1_000_000.0)

    assert spent.take(limit, 5, now=900_000.0).calls == 5


def test_a_pause_holds_until_its_end() -> None:
    limit, spent = Limit("calls", 5, 10.0), Spent()
    spent.pause(30.0, now=100.0)

    assert spent.take(limit, 5, now=129.0) == Grant(wait_s=1.0, paused=True)
    assert spent.take(limit, 5, now=130.0).calls == 5


def test_looking_takes_nothing() -> None:
    keeper = InMemory(clock=lambda: 5.0)
    limit = Limit("calls", 1, 10.0)

    assert keeper.take(limit, 0) == Grant()
    assert keeper.take(limit, 1).calls == 1
    assert keeper.take(limit, 0).wait_s > 0


def fullest(times: Sequence[float], per_s: float) -> int:
    """Return how many of the times the fullest window holds."""
    ordered, first, most = sorted(times), 0, 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - per_s:
            first += 1
        most = max(most, last - first + 1)
    return most

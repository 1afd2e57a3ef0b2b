"""A batch is held by its call: while its worker is at work, and no longer."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from connectors.errors import Unavailable
from connectors.memory import MemoryMailer
from connectors.ports import Mail, Outcome, Score
from loop import outbox, schedule
from loop.models import Call
from loop.outbox import lease, reap
from loop.outbox.claim import claim
from loop.outbox.deliver import hand_over
from loop.outbox.record import record
from loop.states import EffectState, Kind
from loop.store import Store
from tests.loop.conftest import World
from tests.loop.outgoing import (
    LETTERS,
    SCORES,
    TASKS,
    answered,
    chosen,
    claimed,
    of_kind,
    states,
    until,
)

# While its worker is at work


def test_a_call_says_who_is_at_work_on_what(world: World) -> None:
    chosen(world, 3)
    claimed(world.app, LETTERS)

    call = world.only(Call)

    assert (call.lane, call.worker, call.size, call.ended_at) == (LETTERS, "test", 3, None)
    assert call.lease_until == world.clock.at + lease.LEASE
    assert {effect.call_id for effect in of_kind(world)} == {call.id}


def test_a_call_is_over_when_its_outcomes_are_kept(world: World) -> None:
    chosen(world, 3)
    world.deliver()

    call = world.only(Call)

    assert (call.ended_at, call.problem) == (world.clock.at, "")
    assert {effect.call_id for effect in of_kind(world)} == {call.id}


def test_a_call_that_failed_as_a_whole_says_why(world: World) -> None:
    answered(world, 1)
    world.crm.down = True
    outbox.drain(world.app, SCORES, schedule.HANDLERS)

    [call] = [call for call in world.all(Call) if call.lane == SCORES]

    assert (call.ended_at, call.problem) == (world.clock.at, "it is down")


class Slow(MemoryMailer):
    """A mailer that does something else before its second mail."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def _send(self, mail: Mail) -> Outcome:
        if len(self.sent) == 1:
            self.meanwhile()
        return super()._send(mail)


def test_a_long_call_keeps_its_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lasts for ten leases, and nobody takes the batch away."""
    monkeypatch.setattr(lease, "BEAT_S", 0.01)

    def time_goes_by() -> None:
        for _ in range(20):
            world.clock.forward(seconds=60)
            until(lambda: world.only(Call).lease_until == world.clock.at + lease.LEASE)
            assert reap(world.app) == 0

    mailer = Slow(time_goes_by)
    chosen(world, 3)
    outbox.drain(replace(world.app, mailer=mailer), LETTERS, schedule.HANDLERS)

    assert len(mailer.sent) == 3
    assert states(world) == {EffectState.DONE: 3}


def test_a_worker_that_was_frozen_sends_nothing_when_it_wakes(world: World) -> None:
    """Somebody else has given the batch back meanwhile."""
    other = replace(world.app, worker="another")

    def freeze() -> None:
        world.clock.forward(minutes=5)
        assert reap(other) == 4
        assert states(world) == {EffectState.UNKNOWN: 4}

    mailer = Slow(freeze)
    chosen(world, 4)
    outbox.drain(replace(world.app, mailer=mailer), LETTERS, schedule.HANDLERS)

    assert len(mailer.sent) == 1


def test_what_a_frozen_worker_knows_settles_its_doubtful_mails(world: World) -> None:
    """One was accepted, three never left: none of them waits for an operator."""

    def freeze() -> None:
        world.clock.forward(minutes=5)
        reap(world.app)

    mailer = Slow(freeze)
    chosen(world, 4)
    app = replace(world.app, mailer=mailer)
    outbox.drain(app, LETTERS, schedule.HANDLERS)
    assert states(world) == {EffectState.DONE: 1, EffectState.DUE: 3}

    world.clock.forward(hours=1)
    mailer.meanwhile = lambda: None
    outbox.drain(app, LETTERS, schedule.HANDLERS)

    assert set(Counter(mail.key for mail in mailer.sent).values()) == {1}
    assert states(world) == {EffectState.DONE: 4}


def test_what_was_taken_away_and_given_to_another_is_theirs(world: World) -> None:
    """The first worker's words come too late: the score is in another call by now."""
    answered(world, 2)
    world.clock.forward(minutes=1)
    late = claimed(world.app, SCORES)
    results = hand_over(world.app, late, schedule.HANDLERS)
    world.clock.forward(minutes=3)
    reap(world.app)
    held = claimed(world.app, SCORES)

    record(world.app, late.call, results, schedule.HANDLERS)

    assert states(world, Kind.SCORE) == {EffectState.CLAIMED: 2}
    assert {effect.call_id for effect in of_kind(world, Kind.SCORE)} == {held.call.id}


@pytest.mark.parametrize("seconds", [25, -25])
def test_a_small_jump_of_the_clock_stops_nobody(world: World, seconds: int) -> None:
    mailer = Slow(lambda: world.clock.forward(seconds=seconds))
    chosen(world, 3)
    outbox.drain(replace(world.app, mailer=mailer), LETTERS, schedule.HANDLERS)

    assert len(mailer.sent) == 3


def test_a_missing_beat_alone_stops_nobody(world: World) -> None:
    """The database says that the batch is ours still."""
    mailer = Slow(lambda: world.clock.forward(seconds=90))
    chosen(world, 3)
    outbox.drain(replace(world.app, mailer=mailer), LETTERS, schedule.HANDLERS)

    assert len(mailer.sent) == 3


def test_while_the_database_is_away_nothing_more_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell whether the batch is ours still."""

    def breaks(_store: Store) -> object:
        raise OperationalError("", {}, Exception())

    def goes_away() -> None:
        world.clock.forward(seconds=90)
        monkeypatch.setattr(Store, "write", breaks)

    mailer = Slow(goes_away)
    chosen(world, 3)
    held = claimed(world.app, LETTERS)
    results = hand_over(replace(world.app, mailer=mailer), held, schedule.HANDLERS)

    assert len(mailer.sent) == 1
    assert [type(each.outcome.error) for each in results] == [type(None), Unavailable, Unavailable]


# One call at a time


def test_a_service_that_takes_one_call_at_a_time_has_one(world: World) -> None:
    """Over all its lanes and all workers: an account's rows are locked by one call only."""
    answered(world, 2)
    other = replace(world.app, worker="another")

    held = claimed(world.app, SCORES)
    assert claim(other, TASKS, 10) is None
    assert claim(other, SCORES, 10) is None
    record(
        world.app,
        held.call,
        hand_over(world.app, held, schedule.HANDLERS),
        schedule.HANDLERS,
    )

    assert len(claimed(other, TASKS).effects) == 2


def test_a_dead_worker_holds_its_service_no_longer_than_its_lease(world: World) -> None:
    answered(world, 2)
    claimed(replace(world.app, worker="dead"), TASKS)

    world.deliver()
    assert world.crm.state.scores == {}
    world.clock.forward(minutes=3)
    world.deliver()

    assert len(world.crm.state.scores) == 2
    assert len(world.crm.state.tasks) == 2


def test_many_workers_never_call_it_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(world, 40)
    world.crm.batch = 3
    inside = threading.Semaphore(1)
    write_scores = world.crm.write_scores

    def lonely(scores: Sequence[Score]) -> Sequence[Outcome]:
        assert inside.acquire(blocking=False)
        time.sleep(0.005)
        outcomes = write_scores(scores)
        inside.release()
        return outcomes

    monkeypatch.setattr(world.crm, "write_scores", lonely)
    with ThreadPoolExecutor(4) as pool:
        for n in range(4):
            app = replace(world.app, worker=f"worker {n}")
            pool.submit(outbox.drain, app, SCORES, schedule.HANDLERS)

    assert states(world, Kind.SCORE) == {EffectState.DONE: 40}


def test_several_batches_of_mail_go_out_at_once(world: World) -> None:
    """The first batch goes alone: whether there is more, it shows."""

    class Together(MemoryMailer):
        batch = 2
        at_once = 3

        def __init__(self) -> None:
            super().__init__()
            self.met = threading.Barrier(3)

        def send(self, mails: Sequence[Mail]) -> Sequence[Outcome]:
            if self.sent:
                self.met.wait(timeout=10)
            return super().send(mails)

    mailer = Together()
    chosen(world, 14)
    outbox.drain(replace(world.app, mailer=mailer), LETTERS, schedule.HANDLERS)

    assert set(Counter(mail.key for mail in mailer.sent).values()) == {1}
    assert states(world) == {EffectState.DONE: 14}

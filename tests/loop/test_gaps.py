"""A crash between any two steps of a delivery: nothing lost, nothing doubled."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from connectors.memory import MemoryMailer
from connectors.ports import Mail, Outcome
from loop import outbox, schedule
from loop.models import Call
from loop.outbox import reap
from loop.outbox.deliver import hand_over
from loop.outbox.record import record
from loop.states import EffectState, Kind
from loop.store import Store
from tests.loop.conftest import World
from tests.loop.outgoing import (
    LETTERS,
    TASKS,
    answered,
    chosen,
    claimed,
    states,
)

# A crash in each gap


class Died(BaseException):
    """The process is dead: nothing of it goes on."""


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, *, n: int, kept: bool) -> Iterator[None]:
    """Let the n-th write of the block die before its commit, or after it."""
    write, count = Store.write, [0]

    @contextmanager
    def writing(self: Store) -> Iterator[Session]:
        count[0] += 1
        dies = count[0] == n
        with write(self) as session:
            yield session
            if dies and not kept:
                raise Died
        if dies:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", writing)
        with pytest.raises(Died):
            yield


CLAIM, RECORD = 1, 2


@pytest.mark.parametrize(
    "n,kept,sent,then",
    [
        (CLAIM, False, 0, EffectState.DUE),
        (CLAIM, True, 0, EffectState.UNKNOWN),
        (RECORD, False, 3, EffectState.UNKNOWN),
        (RECORD, True, 3, EffectState.DONE),
    ],
)
def test_a_crash_around_a_commit_loses_and_doubles_no_mail(  # noqa: PLR0913, PLR0917 - drawn
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    kept: bool,  # noqa: FBT001 - drawn
    sent: int,
    then: EffectState,
) -> None:
    chosen(world, 3)
    with dying(monkeypatch, n=n, kept=kept):
        world.deliver()

    reap(world.app, all_claims=True)

    assert len(world.mailer.sent) == sent
    assert states(world) == {then: 3}
    world.deliver()
    assert set(Counter(mail.key for mail in world.mailer.sent).values()) <= {1}


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_beside_the_call_doubles_nothing(
    world: World,
    after: bool,  # noqa: FBT001 - drawn
) -> None:
    """The mails are doubtful, the tasks are put once more and are one all the same."""

    class Deadly(MemoryMailer):
        def send(self, mails: Sequence[Mail]) -> Sequence[Outcome]:
            if after:
                super().send(mails)
            raise Died

    def put(_crm: object, tasks: Sequence[object]) -> Sequence[Outcome]:
        if after:
            world.crm.put_tasks(tasks)  # type: ignore[arg-type]
        raise Died

    answered(world, 2)
    for n in range(3):
        world.add(f"later{n}", f"later{n}@acme.example")
    world.pull()
    world.choose()
    task = replace(schedule.HANDLERS[Kind.TASK], send=put)
    for lane, app in ((LETTERS, replace(world.app, mailer=Deadly())), (TASKS, world.app)):
        with pytest.raises(Died):
            outbox.drain(app, lane, {**schedule.HANDLERS, Kind.TASK: task})

    world.clock.forward(minutes=3)
    world.deliver()

    assert states(world) == {EffectState.DONE: 2, EffectState.UNKNOWN: 3}
    assert states(world, Kind.TASK) == {EffectState.DONE: 2}
    assert len(world.crm.state.tasks) == 2


@pytest.mark.parametrize("comes_back", [True, False])
def test_what_the_service_said_is_kept_until_the_database_is_back(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    comes_back: bool,  # noqa: FBT001 - drawn
) -> None:
    """Where it stays away for a minute, the mails are settled as after a crash."""
    write, left = Store.write, iter(range(9 if comes_back else 10_000))

    def writing(self: Store) -> object:
        if next(left, None) is not None:
            raise OperationalError("", {}, Exception())
        return write(self)

    monkeypatch.setattr(Store, "waits_s", (0.0,) * 4)
    monkeypatch.setattr(Store, "away_s", (0.0,) * 6)
    chosen(world, 3)
    held = claimed(world.app, LETTERS)
    results = hand_over(world.app, held, schedule.HANDLERS)
    with monkeypatch.context() as away, suppress(OperationalError):
        away.setattr(Store, "write", writing)
        record(world.app, held.call, results, schedule.HANDLERS)
    world.clock.forward(minutes=3)
    reap(world.app)

    assert states(world) == {EffectState.DONE if comes_back else EffectState.UNKNOWN: 3}


def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection broke while it was committed: the claim is found, and so is the record."""
    write = Store.write

    @contextmanager
    def breaking(self: Store) -> Iterator[Session]:
        with write(self) as session:
            yield session
        if world.app.now() not in broken:
            broken.append(world.app.now())
            raise OperationalError("", {}, Exception())

    broken: list[object] = []
    chosen(world, 3)
    monkeypatch.setattr(Store, "write", breaking)
    held = claimed(world.app, LETTERS)
    results = hand_over(world.app, held, schedule.HANDLERS)
    world.clock.forward(seconds=1)
    record(world.app, held.call, results, schedule.HANDLERS)

    assert len(broken) == 2
    assert len(world.all(Call)) == 1
    assert len(world.mailer.sent) == 3
    assert states(world) == {EffectState.DONE: 3}

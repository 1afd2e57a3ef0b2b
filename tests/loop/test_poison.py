"""A bad item never stops the others, and an outage refuses nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from connectors.errors import Refused, Unavailable
from connectors.ports import Outcome, Score
from loop import outbox
from loop.models import Call
from loop.outbox import Handler, reap
from loop.outbox.record import OUTAGE_TRIES_MAX, TRIES_MAX
from loop.states import EffectState, Kind
from tests.loop.conftest import World
from tests.loop.outgoing import SCORES, answered, chosen, of_kind, sending, states

# A bad item


@dataclass
class Picky:
    """A CRM that refuses a call with a bad score in it as a whole."""

    world: World
    bad: set[str]
    error: Exception
    calls: int = 0

    def send(self, _crm: object, scores: Sequence[Score]) -> Sequence[Outcome]:
        """Refuse all of them, or write them."""
        self.calls += 1
        if any(score.contact_id in self.bad for score in scores):
            raise self.error
        return self.world.crm.write_scores(scores)

    def handlers(self) -> Mapping[Kind, Handler]:
        """Return the handlers, with this way to send scores."""
        return sending(self.send)


@pytest.mark.parametrize(
    "error,ends",
    [
        (Refused("crm", "what is this?"), EffectState.REFUSED),
        (ZeroDivisionError("ours"), EffectState.DUE),
    ],
)
def test_a_poisonous_item_stands_alone_in_the_end(
    world: World, error: Exception, ends: EffectState
) -> None:
    """The others go through, and few calls are made for it."""
    answered(world, 60)
    picky = Picky(world, {"c17", "c41"}, error)

    outbox.drain(world.app, SCORES, picky.handlers())

    assert states(world, Kind.SCORE) == {EffectState.DONE: 58, ends: 2}
    assert len(world.crm.state.scores) == 58
    assert picky.calls < 25
    assert {call.size for call in world.all(Call) if call.lane == SCORES} == {60}


def test_where_everything_is_refused_it_is_not_the_items(world: World) -> None:
    """Such as a field that is missing: the rest waits, and the quota is spared."""
    answered(world, 60)
    picky = Picky(world, {f"c{n}" for n in range(60)}, Refused("crm", "no such field"))

    outbox.drain(world.app, SCORES, picky.handlers())

    assert states(world, Kind.SCORE) == {EffectState.REFUSED: 2, EffectState.DUE: 58}
    assert {effect.problem for effect in of_kind(world, Kind.SCORE)} == {"no such field"}
    assert picky.calls < 12


def test_an_outage_in_the_middle_of_the_halves_leaves_the_rest_due(world: World) -> None:
    answered(world, 8)
    picky = Picky(world, {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"}, Refused("crm", "bad"))

    def send(crm: object, scores: Sequence[Score]) -> Sequence[Outcome]:
        if len(scores) == 1:
            raise Unavailable("crm", "gone")
        return picky.send(crm, scores)

    handlers = sending(send)
    outbox.drain(world.app, SCORES, handlers)

    assert states(world, Kind.SCORE) == {EffectState.DUE: 8}
    assert {effect.problem for effect in of_kind(world, Kind.SCORE)} == {"gone"}


def test_a_crm_that_tells_of_other_items_is_a_bug(world: World) -> None:
    answered(world, 3)
    handlers = sending(lambda _crm, told: [Outcome("one")] * (len(told) + 1))

    outbox.drain(world.app, SCORES, handlers)

    assert states(world, Kind.SCORE) == {EffectState.DUE: 3}
    assert {effect.due_at for effect in of_kind(world, Kind.SCORE)} == {
        world.clock.at + timedelta(hours=1)
    }


# Tries


def test_tries_survive_restarts(world: World) -> None:
    """A program that is started anew every hour comes to the ceiling all the same."""
    answered(world, 1)
    locked = Unavailable("crm", "row is locked")
    handlers = sending(lambda _crm, _scores: [Outcome(error=locked)])

    for n in range(TRIES_MAX):
        assert states(world, Kind.SCORE) == {EffectState.DUE: 1}
        app = replace(world.app, worker=f"start {n}")
        reap(app, all_claims=True)
        outbox.drain(app, SCORES, handlers)
        world.clock.forward(hours=2)

    [effect] = of_kind(world, Kind.SCORE)
    assert (effect.state, effect.problem) == (EffectState.REFUSED, "row is locked")


def test_an_outage_of_days_refuses_nothing(world: World) -> None:
    """It is waited for longer and longer; then the mails go out."""
    chosen(world, 3)
    world.mailer.down = True
    waits: list[timedelta] = []
    for _ in range(2 * TRIES_MAX):
        world.deliver()
        at = max(effect.due_at for effect in of_kind(world))
        waits.append(at - world.clock.at)
        world.clock.at = at
    assert waits[0] < timedelta(minutes=1)
    assert min(waits[10:]) >= timedelta(minutes=20)
    assert {effect.tries for effect in of_kind(world)} == {OUTAGE_TRIES_MAX}

    world.mailer.down = False
    world.deliver()
    assert states(world) == {EffectState.DONE: 3}


def test_an_outage_stops_the_lane_after_one_call(world: World) -> None:
    chosen(world, 30)
    world.mailer.batch = 3
    world.mailer.down = True

    world.deliver()

    assert len(world.all(Call)) == 1

"""A lane is drained batch after batch, of one kind or up to a number where that is wanted."""

from loop.models import Effect, Survey
from loop.outbox.deliver import batches
from loop.pull import customers
from loop.schedule import HANDLERS
from loop.states import EffectState, Kind
from loop.suppression import Why, suppress
from tests.loop.conftest import World

LETTERS = "mail.letters"


def chosen(world: World, people: int) -> None:
    """Let it be the turn of so many people."""
    for number in range(people):
        world.add(f"c{number}", f"ann{number}@acme.example")
    world.pull()
    world.choose()


def states(world: World) -> list[EffectState]:
    return sorted(effect.state for effect in world.all(Effect))


def test_each_batch_is_told_once_it_is_recorded(world: World) -> None:
    world.mailer.batch = 2
    chosen(world, 3)

    told = [batch.settled for batch in batches(world.app, LETTERS, HANDLERS)]

    assert told == [2, 1]
    assert states(world) == [EffectState.DONE] * 3


def test_no_more_go_out_than_are_wanted(world: World) -> None:
    chosen(world, 3)

    told = [batch.settled for batch in batches(world.app, LETTERS, HANDLERS, at_most=2)]

    assert told == [2]
    assert states(world) == [EffectState.DONE, EffectState.DONE, EffectState.DUE]


def test_only_one_kind_goes_out_where_that_is_wanted(world: World) -> None:
    chosen(world, 1)
    world.deliver()
    world.answer(9)

    told = list(batches(world.app, LETTERS, HANDLERS, only=Kind.ASK))

    assert told == []
    assert world.effects()[Kind.INVITE] == EffectState.DUE


def test_a_lane_stops_after_the_batch_in_hand(world: World) -> None:
    world.mailer.batch = 1
    chosen(world, 3)

    for _ in batches(world.app, LETTERS, HANDLERS):
        world.app.stopping.set()

    assert len(world.mailer.sent) == 1


def test_a_lane_goes_on_behind_those_who_have_left(world: World) -> None:
    world.mailer.batch = 2
    chosen(world, 4)
    first = sorted(world.all(Effect), key=lambda effect: (effect.account_id or "", effect.id))[:2]
    with world.app.store.write() as session:
        people = [session.get_one(Survey, effect.survey_id).customer_id for effect in first]
        suppress(session, people, Why.UNSUBSCRIBED, world.clock.at)

    world.deliver()

    assert len(world.mailer.sent) == 2
    assert states(world) == [EffectState.DONE] * 2 + [EffectState.SUPPRESSED] * 2


def test_a_pull_stops_after_the_page_in_hand(world: World) -> None:
    world.add()
    world.app.stopping.set()

    assert [pulled.records for pulled in customers(world.app)] == ["owners"]

"""What happened long ago is let go; what is still gone by stays."""

from datetime import datetime
from typing import Any

import pytest

from connectors.ports import MailEvent, MailEventKind
from loop import keep, leave, refer, schedule
from loop.app import Purpose
from loop.cli import counts
from loop.models import (
    Answer,
    Call,
    Effect,
    Referral,
    Revision,
    Step,
    Survey,
    Visit,
)
from loop.models import MailEvent as Told
from loop.states import EffectState, Kind
from loop.store import Store
from tests.loop.conftest import World, make_world


def delivered(world: World, at: datetime | None = None) -> int:
    """Let the provider tell that the mails were delivered; count what was new to us."""
    events = [
        MailEvent(
            id=f"delivered-{effect.key}-{at}",
            mail_key=effect.key,
            kind=MailEventKind.DELIVERED,
            at=at or world.clock.at,
        )
        for effect in world.all(Effect)
        if effect.kind is Kind.ASK
    ]
    return leave.take_events(world.app, events, schedule.HANDLERS)


@pytest.fixture
def over(world: World) -> World:
    """Let Ann be asked, answer and be closed, and Ben not answer; each mail was delivered."""
    world.add()
    world.ask()
    delivered(world)
    world.answer(9, "fine")
    world.deliver()
    world.add("c2", "ben@beta.example", first_name="Ben")
    world.ask()
    world.close()
    schedule.JOBS["tidy"].run(world.app)
    return world


def kinds(world: World) -> set[Kind]:
    return {effect.kind for effect in world.all(Effect)}


def test_nothing_young_is_let_go(over: World) -> None:
    assert keep.tidy(over.app).total() == 0


def test_what_was_said_stays_for_ever(over: World) -> None:
    """Surveys, answers, revisions and referrals are not what grows old."""
    models = (Survey, Answer, Revision, Referral)
    before = [over.all(model) for model in models]
    over.clock.forward(days=5000)
    leave.lapse(over.app)

    assert keep.tidy(over.app).total() > 0

    assert [len(over.all(model)) for model in models] == [len(rows) for rows in before]


@pytest.mark.parametrize(
    "model,setting,what",
    [
        (Told, "mail_events_days", "mail events"),
        (Step, "steps_days", "steps"),
        (Call, "calls_days", "calls"),
    ],
)
def test_each_kind_has_its_days(over: World, model: type[Any], setting: str, what: str) -> None:
    days = getattr(over.app.config.keep, setting)
    many = len(over.all(model))
    assert many > 0

    over.clock.forward(days=days)
    assert keep.tidy(over.app)[what] == 0
    over.clock.forward(minutes=1)
    assert keep.tidy(over.app)[what] == many
    assert over.all(model) == []


def test_a_visit_is_let_go_and_its_referral_is_not(over: World) -> None:
    token = over.app.keys.token(Purpose.REFER, over.only(Referral).id)
    with over.app.store.write() as session:
        referral = refer.find(over.app, session, token)
        assert referral is not None
        refer.visit(over.app, session, referral)
    over.clock.forward(days=401)

    assert keep.tidy(over.app)["visits"] == 1

    assert over.all(Visit) == []
    assert over.only(Referral).survey_id


def test_the_effects_of_a_survey_stay_until_it_has_long_been_over(over: World) -> None:
    """Not from when they were done: an answer given late may owe the same again."""
    open_days, kept = over.app.config.ask.open_days, over.app.config.keep.effects_days
    over.clock.forward(days=open_days + kept)
    leave.lapse(over.app)
    assert keep.tidy(over.app)["effects"] == 0

    over.clock.forward(minutes=1)
    assert keep.tidy(over.app)["effects"] > 0

    assert kinds(over) == {Kind.SCORE}
    assert [one["name"] for one in counts.invariants(over.app) if not one["passed"]] == []


def test_an_answer_that_can_still_be_changed_keeps_its_effects(store: Store) -> None:
    """However short they are kept: their keys are what keeps a mail from being sent twice."""
    world = make_world(store, ask={"change_days": 365}, keep={"effects_days": 90})
    world.add()
    world.ask()
    world.answer(9)
    world.deliver()
    world.close()

    world.clock.forward(days=300)
    assert keep.tidy(world.app)["effects"] == 0

    world.answer(10)
    world.deliver()
    assert len(world.mailer.sent) == 2  # the question, and one invitation


@pytest.mark.parametrize("state", [EffectState.UNKNOWN, EffectState.REFUSED, EffectState.DUE])
def test_what_is_not_settled_stays_with_what_was_told_of_it(
    over: World, state: EffectState
) -> None:
    """However old it is: somebody has to decide."""
    with over.app.store.write() as session:
        for effect in over.all(Effect):
            effect.state = state
            session.add(effect)
    before = len(over.all(Effect))
    told = len(over.all(Told))
    over.clock.forward(days=5000)
    leave.lapse(over.app)

    keep.tidy(over.app)

    assert len(over.all(Effect)) == before
    assert len(over.all(Told)) == (told if state is EffectState.UNKNOWN else 0)


def test_what_stays_is_not_looked_at_again(over: World) -> None:
    """The next look begins where the last one ended, also after a stop in between."""
    over.clock.forward(days=5000)
    leave.lapse(over.app)
    keep.tidy(over.app)
    over.add("c3", "cleo@gamma.example", first_name="Cleo")
    over.ask()
    over.clock.forward(days=5000)
    leave.lapse(over.app)

    assert keep.tidy(over.app)["effects"] == 3  # Ann, Ben and Cleo were asked again


def test_many_are_let_go_a_few_at_a_time(over: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "CHUNK", 2)
    steps = len(over.all(Step))
    assert steps > 4
    over.clock.forward(days=5000)

    assert keep.tidy(over.app)["steps"] == steps


def test_a_stop_leaves_the_rest_for_later(over: World) -> None:
    over.clock.forward(days=5000)
    over.app.stopping.set()

    assert keep.tidy(over.app).total() == 0

"""An operator mends what the loop cannot: no mail goes out twice for it."""

from datetime import timedelta

import pytest

from connectors.errors import Refused
from connectors.ports import Mail, Outcome
from loop import mend
from loop.models import Effect, Survey
from loop.schedule import HANDLERS
from loop.states import EffectState, OutOfTurn, Stage
from tests.loop.conftest import World


def again(world: World) -> None:
    with world.app.store.write() as session:
        mend.again(world.app, session, session.get_one(Effect, world.only(Effect).id))


def drop(world: World) -> None:
    with world.app.store.write() as session:
        mend.drop(world.app, session, session.get_one(Effect, world.only(Effect).id))


def settle(world: World, said: str) -> None:
    with world.app.store.write() as session:
        effect = session.get_one(Effect, world.only(Effect).id)
        mend.settle(world.app, session, effect, said, HANDLERS)


def refuse_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the mailer take nothing."""

    def refused(mails: list[Mail]) -> list[Outcome]:
        return [Outcome(error=Refused("memory_mailer", "no such sender")) for _ in mails]

    monkeypatch.setattr(world.mailer, "send", refused)


def test_a_refused_question_goes_out_once_it_is_mended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add()
    with monkeypatch.context() as broken:
        refuse_all(world, broken)
        world.ask()
    assert world.only(Survey).stage is Stage.REFUSED

    again(world)
    world.deliver()

    assert len(world.mailer.sent) == 1
    assert world.only(Effect).state is EffectState.DONE
    assert world.only(Survey).stage is Stage.ASKED


def test_a_mended_question_is_let_be_where_another_one_went_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was asked otherwise meanwhile gets no second question."""
    world.add()
    with monkeypatch.context() as broken:
        refuse_all(world, broken)
        world.ask()
    refused = world.only(Effect)
    world.clock.forward(days=100)
    world.ask()
    assert len(world.mailer.sent) == 1

    with world.app.store.write() as session:
        session.get_one(Survey, refused.survey_id).expires_at = world.clock.at + timedelta(days=1)
        mend.again(world.app, session, session.get_one(Effect, refused.id))
    world.deliver()

    assert len(world.mailer.sent) == 1


def test_a_mail_that_was_handed_over_is_never_sent_again(world: World) -> None:
    world.add()
    world.ask()

    with pytest.raises(OutOfTurn):
        again(world)


def test_a_doubtful_mail_is_settled_before_anything_else(world: World) -> None:
    world.add()
    world.mailer.lose = 1
    world.ask()

    with pytest.raises(OutOfTurn):
        again(world)
    settle(world, "sent")

    assert world.only(Effect).state is EffectState.DONE
    assert world.only(Survey).stage is Stage.ASKED
    assert len(world.mailer.sent) == 1


def test_a_mail_that_is_said_not_to_be_sent_goes_out(world: World) -> None:
    world.add()
    world.mailer.lose = 1
    world.ask()

    settle(world, "not-sent")
    world.deliver()

    assert world.only(Effect).state is EffectState.DONE
    assert len(world.mailer.sent) == 2


def test_a_dropped_doubtful_mail_can_still_be_answered(world: World) -> None:
    world.add()
    world.mailer.lose = 1
    world.ask()

    settle(world, "drop")
    world.answer(9)

    assert world.only(Survey).stage is Stage.ANSWERED


def test_a_dropped_question_lapses(world: World) -> None:
    world.add()
    world.pull()
    world.choose()

    drop(world)
    world.deliver()

    assert world.mailer.sent == []
    assert world.only(Survey).stage is Stage.LAPSED


def test_what_is_over_cannot_be_dropped(world: World) -> None:
    world.add()
    world.ask()

    with pytest.raises(OutOfTurn):
        drop(world)


def test_only_what_is_doubtful_is_settled(world: World) -> None:
    world.add()
    world.ask()

    with pytest.raises(OutOfTurn):
        settle(world, "sent")


def test_what_waits_for_its_next_try_is_tried_now(world: World) -> None:
    world.add()
    world.mailer.down = True
    world.ask()
    world.mailer.down = False
    assert world.deliver() == 0

    again(world)

    assert world.deliver() == 1

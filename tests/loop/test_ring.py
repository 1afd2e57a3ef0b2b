"""Once around the loop, told as stories."""

from loop.models import Answer, Case, Referral, Revision, Suppression, Survey
from loop.states import CaseState, ReferralState, Stage
from tests.loop.conftest import World


def ask_ann(world: World) -> None:
    """Ask Ann, of Acme, whose account manager is Olga."""
    world.add(account_id="a1", owner_id="o1")
    world.ask()


def test_a_detractor_gets_a_call(world: World) -> None:
    """A 2 becomes a task for the contact's owner; when it is done the loop is closed."""
    ask_ann(world)

    world.answer(2, "slow")
    world.deliver()

    assert world.crm.state.scores["c1"].score == 2
    assert world.crm.state.scores["c1"].factor == -100
    [task] = world.crm.state.tasks.values()
    assert task.subject == "NPS 2: call Ann Archer"
    assert "slow" in task.body
    assert task.owner_id == "o1"
    assert world.close()["closed"] == 0
    world.crm.finish(task.key, world.clock.at)
    assert world.close()["closed"] == 1
    assert world.only(Case).state is CaseState.RESOLVED
    assert world.only(Survey).stage is Stage.CLOSED


def test_a_promoter_is_invited(world: World) -> None:
    """A 9 brings an invitation with the promoter's own link, and no task."""
    ask_ann(world)

    world.answer(9, "love it")
    world.deliver()

    [_, invitation] = world.to("ann@acme.example")
    assert "/r/" in invitation.text
    assert world.crm.state.tasks == {}
    assert world.only(Referral).state is ReferralState.INVITED
    assert world.close()["closed"] == 1


def test_a_passive_gets_a_word(world: World) -> None:
    """A 7 brings a short personal mail, and no task."""
    ask_ann(world)

    world.answer(7)
    world.deliver()

    [_, word] = world.to("ann@acme.example")
    assert "9" in word.text
    assert world.crm.state.tasks == {}
    assert world.close()["closed"] == 1


def test_a_three_that_becomes_a_nine_closes_the_task(world: World) -> None:
    """A corrected score updates the record and closes the task; nothing is doubled."""
    ask_ann(world)
    world.answer(3, "hm")
    world.deliver()

    world.clock.forward(hours=1)
    world.answer(9, "sorry, all is well")
    world.deliver()

    assert world.crm.state.scores["c1"].score == 9
    [task] = world.crm.state.tasks.values()
    assert task.finished
    assert world.only(Case).state is CaseState.WITHDRAWN
    assert [revision.score for revision in world.all(Revision)].count(3) == 1
    assert world.only(Answer).score == 9
    assert len(world.to("ann@acme.example")) == 2


def test_stop_is_an_unsubscribe_whatever_the_score(world: World) -> None:
    """A promoter who says STOP is counted, and never written to again."""
    ask_ann(world)

    world.answer(10, "STOP")
    world.deliver()

    assert world.crm.state.scores["c1"].score == 10
    assert len(world.to("ann@acme.example")) == 1
    assert world.only(Suppression).reason == "said stop"
    world.clock.forward(days=200)
    world.ask()
    assert len(world.to("ann@acme.example")) == 1


def test_stop_without_a_score_ends_the_survey(world: World) -> None:
    """There is no answer to count, and the question stands no more."""
    ask_ann(world)

    world.answer(None, "STOP")

    assert world.only(Survey).stage is Stage.UNSUBSCRIBED
    assert world.all(Answer) == []


def test_a_crm_that_is_down_for_an_hour_misses_nothing(world: World) -> None:
    """The answer waits and reaches the record once the CRM is back."""
    ask_ann(world)
    world.crm.down = True

    world.answer(1, "angry")
    world.deliver()
    assert world.crm.state.scores == {}

    world.clock.forward(hours=1)
    world.crm.down = False
    world.deliver()
    assert world.crm.state.scores["c1"].score == 1
    assert len(world.crm.state.tasks) == 1


def test_a_mail_whose_answer_was_lost_is_never_sent_again(world: World) -> None:
    """Nobody knows whether it was accepted: the effect waits for evidence."""
    world.add()
    world.mailer.lose = 1
    world.ask()
    assert world.effects()["ask"] == "unknown"

    world.clock.forward(days=1)
    world.deliver()
    assert len(world.mailer.sent) == 1

    world.answer(8)
    world.deliver()
    assert world.effects()["ask"] == "done"
    assert world.crm.state.scores["c1"].score == 8

"""Nothing lost, nothing doubled."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlmodel import Session

from connectors.errors import Doubtful, Refused, Unauthorized, Unavailable
from connectors.ports import Mail, MailEvent, MailEventKind, Outcome, Score
from loop import leave, outbox, schedule
from loop.app import App
from loop.models import Effect, Survey
from loop.outbox import Handler, Owed, owe, reap, settle_unknown
from loop.outbox.claim import claim
from loop.outbox.record import TRIES_MAX
from loop.states import EffectState, Kind, Stage
from tests.loop.conftest import CRM, World
from tests.loop.outgoing import sending

LETTERS = "mail.letters"
SCORES = f"{CRM}.scores"


def due_mails(world: World, n: int = 1) -> None:
    """Let `n` mails be due."""
    for i in range(n):
        world.add(f"c{i}", f"p{i}@acme.example")
    world.pull()
    world.choose()


def states(world: World, kind: Kind = Kind.ASK) -> list[EffectState]:
    """Return the states of all effects of a kind."""
    return sorted(effect.state for effect in world.all(Effect) if effect.kind is kind)


def answered(world: World, score: int = 9) -> None:
    """Let Ann have answered, with her mail delivered and nothing else."""
    due_mails(world)
    world.deliver()
    world.answer(score)


def test_what_is_claimed_nobody_else_claims(world: World) -> None:
    """Two looks at the same lane never take the same effect."""
    due_mails(world, 3)

    first, second = claim(world.app, LETTERS, 2), claim(world.app, LETTERS, 2)

    assert first is not None
    assert second is not None
    assert len(first.effects) == 2
    assert len(second.effects) == 1
    assert {e.id for e in first.effects}.isdisjoint({e.id for e in second.effects})


def test_a_dead_worker_s_mail_is_unknown_and_its_score_is_due_again(world: World) -> None:
    """A mail may be on its way; a score can be written twice."""
    answered(world)
    claim(world.app, SCORES, 10)
    claim(world.app, LETTERS, 10)

    assert reap(world.app) == 0
    world.clock.forward(minutes=11)
    assert reap(world.app) == 2
    assert states(world, Kind.INVITE) == [EffectState.UNKNOWN]
    assert states(world, Kind.SCORE) == [EffectState.DUE]


def test_an_unknown_mail_is_never_sent_by_itself(world: World) -> None:
    """Only evidence or an operator's word moves it."""
    due_mails(world)
    claim(world.app, LETTERS, 1)
    reap(world.app, all_claims=True)

    world.clock.forward(days=30)
    world.deliver()
    assert world.mailer.sent == []

    key = world.only(Effect).key
    with world.app.store.write() as session:
        assert settle_unknown(world.app, session, key, EffectState.DUE, schedule.HANDLERS)
    world.deliver()
    assert len(world.mailer.sent) == 1


@pytest.mark.parametrize("done", [True, False])
def test_evidence_moves_the_survey_on(world: World, done: bool) -> None:  # noqa: FBT001
    """What the provider tells of a mail proves that it was accepted."""
    due_mails(world)
    claim(world.app, LETTERS, 1)
    reap(world.app, all_claims=True)

    state = EffectState.DONE if done else EffectState.DROPPED
    key = world.only(Effect).key
    with world.app.store.write() as session:
        settle_unknown(world.app, session, key, state, schedule.HANDLERS)
        assert not settle_unknown(world.app, session, key, state, schedule.HANDLERS)

    assert world.only(Survey).stage is (Stage.ASKED if done else Stage.CHOSEN)


def test_proof_that_came_while_a_dead_worker_held_the_mail_counts(world: World) -> None:
    """The event was there before anybody knew that the effect was unknown."""
    due_mails(world)
    claim(world.app, LETTERS, 1)
    event = MailEvent(
        id="e1",
        mail_key=world.only(Effect).key,
        kind=MailEventKind.DELIVERED,
        at=world.clock.at,
    )
    leave.take_events(world.app, [event], schedule.HANDLERS)
    assert states(world) == [EffectState.CLAIMED]

    world.clock.forward(minutes=11)
    schedule.run(world.app, "tidy")

    assert states(world) == [EffectState.DONE]
    assert world.only(Survey).stage is Stage.ASKED


def test_suppression_is_checked_inside_the_claim(world: World) -> None:
    """Whoever leaves before the mail goes out gets none."""
    due_mails(world)
    survey = world.only(Survey)
    with world.app.store.write() as session:
        leave.unsubscribe(world.app, session, survey)
    world.deliver()

    assert world.mailer.sent == []
    assert states(world) == [EffectState.SUPPRESSED]


def test_a_question_that_is_over_is_not_asked(world: World) -> None:
    """A mail that waited for two months asks nothing any more."""
    due_mails(world)
    world.clock.forward(days=61)
    world.deliver()

    assert world.mailer.sent == []
    assert states(world) == [EffectState.EXPIRED]


def test_one_bad_mail_never_stops_the_others(world: World) -> None:
    """The refused one says why; the rest go out."""
    due_mails(world, 5)
    world.add("bad", "bad@acme.example", last_name="line\nbreak")
    world.pull()
    world.choose()
    world.deliver()

    assert len(world.mailer.sent) == 5
    assert states(world).count(EffectState.REFUSED) == 1
    [bad] = [s for s in world.all(Survey) if s.stage is Stage.REFUSED]
    assert bad.contact_id == f"{CRM}:bad"


def test_an_outage_is_waited_for_longer_and_longer(world: World) -> None:
    """Nothing is lost, and the CRM is not hammered."""
    answered(world)
    world.crm.down = True
    waits = []
    for _ in range(6):
        world.deliver()
        [effect] = [e for e in world.all(Effect) if e.kind is Kind.SCORE]
        waits.append((effect.due_at - world.clock.at).total_seconds())
        world.clock.at = effect.due_at
    assert all(0 < wait <= 3600 for wait in waits)
    assert "down" in effect.problem

    world.crm.down = False
    world.deliver()
    assert states(world, Kind.SCORE) == [EffectState.DONE]


class Stubborn:
    """A handler whose service says the same thing again and again."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    def send(self, _crm: object, scores: Sequence[Score]) -> Sequence[Outcome]:
        """Answer each score with the error."""
        self.asked += 1
        return [Outcome(error=self.error) for _ in scores]  # type: ignore[arg-type]

    def fail(self, _crm: object, scores: Sequence[Score]) -> Sequence[Outcome]:
        """Fail as a whole."""
        self.asked += 1
        del scores
        raise self.error


def test_an_item_that_fails_again_and_again_is_refused_in_the_end(world: World) -> None:
    """There is a ceiling, and then the operator reads the service's words."""
    answered(world)
    stubborn = Stubborn(Unavailable("crm", "row is locked"))
    handlers = sending(stubborn.send)
    for _ in range(TRIES_MAX + 3):
        outbox.drain(world.app, SCORES, handlers)
        world.clock.forward(hours=2)

    assert stubborn.asked == TRIES_MAX
    [effect] = [e for e in world.all(Effect) if e.kind is Kind.SCORE]
    assert (effect.state, effect.problem) == (EffectState.REFUSED, "row is locked")


@pytest.mark.parametrize(
    "error,wait",
    [
        (Unavailable("crm", "quota", retry_after_s=7200), timedelta(hours=2)),
        (Unauthorized("crm", "key"), timedelta(minutes=15)),
        (ZeroDivisionError("ours"), timedelta(hours=1)),
    ],
)
def test_a_call_that_fails_as_a_whole_waits_as_long_as_it_should(
    world: World, error: Exception, wait: timedelta
) -> None:
    """What the service asks for, what an operator needs, what a bug needs."""
    answered(world)
    outbox.drain(world.app, SCORES, sending(Stubborn(error).fail))

    [effect] = [e for e in world.all(Effect) if e.kind is Kind.SCORE]
    assert effect.state is EffectState.DUE
    assert effect.due_at == world.clock.at + wait


def test_a_doubtful_score_is_written_again(world: World) -> None:
    """Writing it twice is the same as once."""
    answered(world)
    outbox.drain(world.app, SCORES, sending(Stubborn(Doubtful("crm", "reset")).fail))
    assert states(world, Kind.SCORE) == [EffectState.DUE]


def test_a_refused_score_can_be_owed_again(world: World) -> None:
    """A new answer owes a new write, whatever became of the last."""
    answered(world, 9)
    outbox.drain(world.app, SCORES, sending(Stubborn(Refused("crm", "no field")).send))
    assert states(world, Kind.SCORE) == [EffectState.REFUSED]

    world.answer(8)
    world.deliver()
    assert world.crm.state.scores["c0"].score == 8


def test_what_changes_during_the_call_is_written_once_more(world: World) -> None:
    """The newest answer is the one that stands on the record in the end."""
    answered(world, 9)

    def slow(crm: object, scores: Sequence[Score]) -> Sequence[Outcome]:
        if scores[0].score == 9:
            world.answer(4)
        return world.crm.write_scores(scores)

    outbox.drain(world.app, SCORES, sending(slow))

    assert world.crm.state.scores["c0"].score == 4
    assert states(world, Kind.SCORE) == [EffectState.DONE]


def test_half_a_handler_leaves_nothing_behind(world: World) -> None:
    """A bug in `done` rolls its own effect back, and that one alone."""
    due_mails(world, 3)
    unlucky = world.all(Survey)[0].id

    def done(app: App, session: Session, effect: Effect) -> None:
        survey = session.get_one(Survey, effect.survey_id)
        survey.program = "half done"
        session.add(survey)
        session.flush()
        if survey.id == unlucky:
            raise ZeroDivisionError
        schedule.HANDLERS[Kind.ASK].done(app, session, effect)  # type: ignore[misc]

    handler = Handler(request=schedule.HANDLERS[Kind.ASK].request, done=done)
    outbox.drain(world.app, LETTERS, {**schedule.HANDLERS, Kind.ASK: handler})

    by_id = {survey.id: survey for survey in world.all(Survey)}
    assert by_id[unlucky].program == "relationship"
    assert states(world).count(EffectState.UNKNOWN) == 1
    assert states(world).count(EffectState.DONE) == 2


def test_a_bug_in_one_request_never_stops_the_lane(world: World) -> None:
    """It waits an hour; the others go out."""
    due_mails(world, 3)
    unlucky = world.all(Survey)[0].id

    def request(app: App, session: Session, effect: Effect) -> Mail:
        if effect.survey_id == unlucky:
            raise ZeroDivisionError
        return schedule.HANDLERS[Kind.ASK].request(app, session, effect)  # type: ignore[no-any-return]

    handler = Handler(request=request, done=schedule.HANDLERS[Kind.ASK].done)
    outbox.drain(world.app, LETTERS, {**schedule.HANDLERS, Kind.ASK: handler})

    assert len(world.mailer.sent) == 2
    [late] = [e for e in world.all(Effect) if e.state is EffectState.DUE]
    assert late.due_at == world.clock.at + timedelta(hours=1)


def test_a_mail_that_went_out_is_never_owed_again(world: World) -> None:
    """Owing it a second time changes nothing."""
    due_mails(world)
    world.deliver()
    survey = world.only(Survey)
    with world.app.store.write() as session:
        again = Owed(kind=Kind.ASK, about=survey.id, survey_id=survey.id, due_at=world.clock.at)
        owe(session, [again], world.clock.at)
    world.deliver()

    assert len(world.mailer.sent) == 1

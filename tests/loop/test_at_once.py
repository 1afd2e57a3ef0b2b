"""Several at the same work at once: nothing is doubled, nothing is lost, nobody waits for ever."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import pytest
from sqlmodel import Session

from connectors.ports import MailEvent, MailEventKind
from loop import answer, close, leave, outbox, schedule
from loop.answer import Given
from loop.app import App, Purpose
from loop.models import Answer, Effect, Revision, Step, Survey
from loop.outbox.claim import claim
from loop.states import MAIL, EffectState, Kind, Stage, lane
from loop.store import Store
from tests.loop.conftest import World, make_world

LETTERS = lane(MAIL, Kind.ASK)


@pytest.fixture
def world(store: Store) -> World:
    """Give a world where a whole company may be asked."""
    made = make_world(store, ask={"per_account_max": 1000})
    made.add_owner()
    made.add_account(owner_id="o1")
    return made


def many(world: World, n: int) -> None:
    """Let many people of one company come in."""
    for i in range(n):
        world.add(f"c{i}", f"p{i}@acme.example", account_id="a1")
    world.pull()


def workers(world: World, n: int) -> list[App]:
    """Return the app as several workers have it."""
    return [replace(world.app, worker=f"worker {i}") for i in range(n)]


def at_once(acts: Sequence[Callable[[], object]]) -> list[object]:
    """Do all this at once; raise the first mistake."""
    with ThreadPoolExecutor(len(acts)) as pool:
        return [done.result(timeout=60) for done in [pool.submit(act) for act in acts]]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Look at what is told."""
    caplog.set_level(logging.ERROR)


def test_nobody_is_chosen_twice(world: World) -> None:
    """Four who choose at once make one survey each person."""
    many(world, 40)

    at_once([world.choose] * 4)

    assert len(world.all(Survey)) == 40
    assert set(Counter(survey.customer_id for survey in world.all(Survey)).values()) == {1}


def test_four_workers_on_one_lane_send_each_mail_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """What one has claimed no other claims."""
    world.mailer.batch = 7
    many(world, 60)
    world.choose()

    at_once([partial(schedule.deliver, app) for app in workers(world, 4)])
    world.deliver()

    assert set(Counter(mail.key for mail in world.mailer.sent).values()) == {1}
    assert len(world.mailer.sent) == 60
    assert {survey.stage for survey in world.all(Survey)} == {Stage.ASKED}
    assert caplog.records == []


def test_answers_to_one_survey_from_everywhere_are_one_answer(world: World) -> None:
    """Every revision is kept, and the answer is one of them."""
    many(world, 1)
    world.choose()
    world.deliver()
    token = world.app.keys.token(Purpose.ANSWER, world.only(Survey).id)

    each = [Given(token=token, score=score, comment=str(score)) for score in range(11)]

    at_once([partial(say, world, [one]) for one in each])
    world.clock.forward(minutes=1)
    say(world, [each[5], Given(token=token, score=5, comment="at last")])
    world.deliver()

    assert len(world.all(Revision)) >= 12
    assert world.only(Answer).score == world.crm.state.scores["c0"].score == 5
    assert len(world.crm.state.tasks) == 1


@dataclass
class Crowd:
    """People who were asked, and what they and others do, some of them many times."""

    world: World
    surveys: Sequence[str]

    def token(self, purpose: Purpose, survey_id: str) -> str:
        """Return the token of a link in their mail."""
        return self.world.app.keys.token(purpose, survey_id)

    def answers(self, seed: int) -> None:
        """Answer, and change the answer."""
        chance = Random(seed)
        for _ in range(12):
            say(
                self.world,
                [
                    Given(token=self.token(Purpose.ANSWER, one), score=chance.randrange(11))
                    for one in chance.sample(self.surveys, 8)
                ],
            )

    def leaves(self) -> None:
        """Unsubscribe, a few of them."""
        app = self.world.app
        for one in self.surveys[:6]:
            token = self.token(Purpose.LEAVE, one)

            def press(session: Session, token: str = token) -> None:
                survey = leave.find(session, token, lock=True)
                assert survey is not None
                leave.unsubscribe(app, session, survey)

            app.store.work(press)

    def is_told_of(self, seed: int, size: int = 10) -> None:
        """Let the provider tell of their mails, in any order."""
        chance = Random(seed)
        for n in range(6):
            told = [
                MailEvent(
                    id=f"{one}-{n}",
                    mail_key=f"{Kind.ASK}:{one}",
                    kind=chance.choice([MailEventKind.DELIVERED, MailEventKind.OPENED]),
                    at=self.world.clock.at,
                )
                for one in chance.sample(self.surveys, size)
            ]
            leave.take_events(self.world.app, told, schedule.HANDLERS)

    def is_served(self, app: App) -> None:
        """Deliver and close, as a worker does."""
        for _ in range(6):
            schedule.deliver(app)
            close.finished(app)


def say(world: World, given: Sequence[Given]) -> None:
    """Keep answers, as the pages do."""
    world.app.store.work(lambda session: answer.keep(world.app, session, given))


def test_all_of_it_at_once_comes_to_rest(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Workers deliver, people answer, leave and complain, events come, cases are closed."""
    many(world, 30)
    world.choose()
    world.deliver()
    crowd = Crowd(world, [survey.id for survey in world.all(Survey)])

    at_once(
        [
            *(partial(crowd.answers, seed) for seed in range(3)),
            *(partial(crowd.is_told_of, seed) for seed in range(2)),
            *(partial(crowd.is_served, app) for app in workers(world, 2)),
            crowd.leaves,
        ]
    )
    world.clock.forward(hours=2)
    world.deliver()
    world.deliver()

    assert [record for record in caplog.records if record.name.startswith("loop")] == []
    over = {EffectState.DONE, EffectState.DROPPED, EffectState.SUPPRESSED}
    assert {effect.state for effect in world.all(Effect)} <= over
    assert set(Counter(mail.key for mail in world.mailer.sent).values()) == {1}
    stages = {survey.id: survey.stage for survey in world.all(Survey)}
    records = {survey.id: survey.contact_id.partition(":")[2] for survey in world.all(Survey)}
    for one in world.all(Answer):
        assert world.crm.state.scores[records[one.survey_id]].score == one.score
        assert stages[one.survey_id] in {Stage.ANSWERED, Stage.CLOSED}


def test_a_doubtful_mail_that_is_answered_while_it_is_settled_stays_answered(world: World) -> None:
    """The event that proves the mail and the answer to it come at the same moment."""
    many(world, 20)
    world.choose()
    claim(world.app, LETTERS, 20)
    outbox.reap(world.app, all_claims=True)
    surveys = [survey.id for survey in world.all(Survey)]

    crowd = Crowd(world, surveys)
    tokens = [crowd.token(Purpose.ANSWER, one) for one in surveys]

    def says() -> None:
        for token in tokens:
            say(world, [Given(token=token, score=9)])

    at_once([partial(crowd.is_told_of, 1, 20), says])

    assert {survey.stage for survey in world.all(Survey)} == {Stage.ANSWERED}
    asks = {effect.state for effect in world.all(Effect) if effect.kind is Kind.ASK}
    assert asks == {EffectState.DONE}
    moved = Counter(step.to for step in world.all(Step))
    assert moved[Stage.ANSWERED] == 20

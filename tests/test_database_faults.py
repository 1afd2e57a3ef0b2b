"""A database that goes away, anywhere: no answer is lost, none doubled, no effect done twice."""

import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from connectors.sandbox.server import running
from loop import schedule
from loop.app import Purpose
from loop.models import Answer, Effect, Step, Survey
from loop.states import MAIL_KINDS, EffectState, Stage
from loop.store import Store
from loop.web import application
from tests.conftest import administer
from tests.cutting import Where, Wire, carried
from tests.loop.conftest import World, make_world

OPERATIONS = int(os.environ.get("NPSLOOP_OPERATIONS", "1500"))
RESTARTS_S = tuple(map(float, os.environ.get("NPSLOOP_RESTARTS_S", "1-3").split("-")))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AT_ONCE = 4
KEPT, TRY_AGAIN = 303, 503


@dataclass
class Street:
    """A world whose database is shaky, and the people at its pages."""

    world: World
    url: str
    pool: urllib3.PoolManager
    thanked: dict[str, int] = field(default_factory=dict)
    """The score for which each survey's customer was thanked last."""
    statuses: Counter[int] = field(default_factory=Counter)

    def answer(self, survey_id: str, score: int) -> None:
        """Answer, and try again for as long as the page asks for it."""
        path = f"/a/{self.world.app.keys.token(Purpose.ANSWER, survey_id)}"
        while True:
            answer = self.pool.request(
                "POST", self.url + path, body=f"score={score}", headers=FORM, redirect=False
            )
            self.statuses[answer.status] += 1
            if answer.status == KEPT:
                self.thanked[survey_id] = score
                return
            assert answer.status == TRY_AGAIN, answer.data
            time.sleep(0.02)

    def run(self, *jobs: str) -> None:
        """Let jobs run; one that failed runs again the next time."""
        for name in jobs:
            schedule.run(self.world.app, name)

    def come_to_rest(self) -> None:
        """Deliver what is left, after every wait and every lease."""
        for _ in range(6):
            self.run("pull", "choose", "deliver", "tidy")
            self.world.clock.forward(hours=2)


@contextmanager
def street(store: Store, people: int) -> Iterator[Street]:
    """Give a street of people, none of whom has been asked yet."""
    world = make_world(store, ask={"per_account_max": people, "per_day_max": 10 * people})
    world.add_owner()
    world.add_account(owner_id="o1")
    for number in range(people):
        world.add(f"c{number}", f"p{number}@acme.example", account_id="a1", owner_id="o1")
    with running(application(world.app)) as url, urllib3.PoolManager(retries=False) as pool:
        yield Street(world, url, pool)


def count(street: Street) -> None:
    """Count, as the customers and the CRM would."""
    world = street.world
    mails = Counter(mail.key for mail in world.mailer.sent)
    effects = world.all(Effect)
    over = {EffectState.DONE, EffectState.DROPPED, EffectState.UNKNOWN}
    assert {effect.state for effect in effects} <= over
    assert set(mails.values()) <= {1}
    done = [one.key for one in effects if one.state is EffectState.DONE]
    assert {key for key in done if key.partition(":")[0] in MAIL_KINDS} <= set(mails)
    surveys = {survey.id: survey for survey in world.all(Survey)}
    assert len(surveys) == len(world.crm.state.contacts)
    answers = {answer.survey_id: answer.score for answer in world.all(Answer)}
    assert answers == street.thanked
    written = {
        survey_id: world.crm.state.scores[surveys[survey_id].contact_id.partition(":")[2]].score
        for survey_id in answers
    }
    assert written == answers
    assert set(Counter(one.contact_id for one in world.crm.state.tasks.values()).values()) <= {1}
    moved = Counter(step.survey_id for step in world.all(Step) if step.to == Stage.ANSWERED)
    assert set(moved.values()) <= {1}


def asked(street: Street) -> list[str]:
    """Return the surveys whose question arrived."""
    return [mail.key.partition(":")[2] for mail in street.world.mailer.sent]


# The wire is cut around the commit


@pytest.mark.parametrize("where", Where)
def test_a_connection_that_is_cut_at_the_commit_doubles_and_loses_nothing(
    where: Where, postgres: str, postgres_template: str
) -> None:
    """Every third commit: the claim's, the outcome's, the answer's, the pull's."""
    name = f"t{uuid.uuid4().hex}"
    administer(postgres, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    folder = parse_qs(urlsplit(postgres).query)["host"][0]
    wire = Wire(f"{folder}/.s.PGSQL.5432", where)
    with carried(wire) as port:
        store = Store(f"postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable")
        with street(store, 60) as people:
            for _ in range(12):
                people.run("pull", "choose", "deliver")
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(people.answer, asked(people), [n % 11 for n in range(60)]))
            wire.where = None
            people.come_to_rest()

            count(people)
            assert wire.cuts > 20
        store.close()
    administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")

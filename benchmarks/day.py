"""A day's work at the vendors' rate limits, on a clock that is sped up.

The loop and its database are the real ones; the services take each call at once, and move the
clock by what a call takes and by what their limits make it wait. `--share 0.02` plays a
fiftieth of everything, of the limits too: so the hours are those of the whole day.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from math import ceil
from random import Random
from typing import Any, Final

import crowd
import measure
from sqlalchemy import func, select, update
from sqlmodel import col

from connectors import ports
from connectors.budget import Limit, Spent
from connectors.memory import MemoryCrm, MemoryMailer
from loop import answer
from loop.answer import Given
from loop.app import App, Keys, hash_of
from loop.config import Config
from loop.letters import Letters
from loop.models import Effect, Survey
from loop.outbox.deliver import batches
from loop.resources import templates
from loop.schedule import HANDLERS, lanes
from loop.states import EffectState
from loop.store import Store, table

MORNING: Final = datetime(2030, 1, 7, 8, tzinfo=UTC)
MAIL: Final = "mail"
LATENCY_S: Final = 0.2
"""What a call takes, there and back."""
CONNECTIONS: Final = 16
"""Mails of a batch that one worker has under way at once."""
FEW: Final = 20
"""With fewer calls than that, a limit counts over a longer time instead."""
GROUP: Final = 100
"""Answers kept in one transaction."""
LIMITS: Final = {
    "hubspot": (100, Limit("calls", 190, 10.0)),
    "salesforce": (200, Limit("day", 40_000, 86_400.0)),
    MAIL: (100, Limit("calls", 10_000, 1.0)),
}
"""Items a call takes, and calls in so many seconds: of Salesforce a fifth of 200,000 a day."""
LOOKS: Final = {"keep": 2, "put_tasks": 2}
"""Calls that HubSpot takes besides to see whether it has these already."""


@dataclass
class Clock:
    """A clock that is moved on by whoever waits."""

    at: datetime = MORNING

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at


@dataclass
class Service:
    """What a service has taken, and how it makes us wait."""

    clock: Clock
    limit: Limit
    latency_s: float
    calls: Counter[str] = field(default_factory=Counter)
    spent: Spent = field(default_factory=Spent)

    def take(self, verb: str, calls: int, at_once: int = 1) -> None:
        """Take so many calls, at the pace of the limit."""
        self.calls[verb] += calls
        for _ in range(calls):
            while not (grant := self.spent.take(self.limit, 1, self.clock.at.timestamp())).calls:
                self.clock.at += timedelta(seconds=max(grant.wait_s, 0.001))
        self.clock.at += timedelta(seconds=self.latency_s * ceil(calls / at_once))


class PacedCrm(MemoryCrm):
    """A CRM that forgets what it is told, and counts."""

    def __init__(self, service: Service, batch: int, looks: dict[str, int]) -> None:
        super().__init__()
        self.service, self.batch, self.looks = service, batch, looks

    def write_scores(self, scores: Sequence[ports.Score]) -> Sequence[ports.Outcome]:
        """Take scores."""
        return self._take("write_scores", scores)

    def write_accounts(self, scores: Sequence[ports.AccountScore]) -> Sequence[ports.Outcome]:
        """Take roll-ups."""
        return self._take("write_accounts", scores)

    def keep(self, answers: Sequence[ports.History]) -> Sequence[ports.Outcome]:
        """Take answers."""
        return self._take("keep", answers)

    def put_tasks(self, tasks: Sequence[ports.Task]) -> Sequence[ports.Outcome]:
        """Take tasks."""
        return self._take("put_tasks", tasks)

    def _take(self, verb: str, items: Sequence[object]) -> list[ports.Outcome]:
        self.service.take(verb, 1 + self.looks.get(verb, 0))
        return [ports.Outcome("x") for _ in items]


class PacedMailer(MemoryMailer):
    """A mailer that forgets what it is told, and counts."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service

    def send(self, mails: Sequence[ports.Mail]) -> Sequence[ports.Outcome]:
        """Take mails, a call each."""
        self.service.take("send", len(mails), CONNECTIONS)
        return [ports.Outcome("x") for _ in mails]


@dataclass(order=True)
class Line:
    """A worker at a lane, and how far its day has come."""

    at: datetime
    lane: str
    done: int = 0
    busy: timedelta = timedelta()
    ended: datetime = MORNING


class Day:
    """People answer while the lanes are drained."""

    def __init__(self, app: App, clock: Clock, answers: list[tuple[datetime, str]]) -> None:
        self.app, self.clock, self.answers = app, clock, answers
        self.idle = timedelta()
        """How long a lane with nothing due is left alone."""
        self.backlog: dict[str, dict[str, int]] = {}
        self.taken = 0

    def play(self, lines: list[Line], until: datetime) -> None:
        """Let the line that is behind the others take the next batch, until the day is over."""
        hour = MORNING
        while lines[0].at < until:
            line = heappop(lines)
            while hour <= line.at:
                self.backlog[f"{hour:%H:%M}"] = self._due()
                hour += timedelta(hours=1)
            self.clock.at = line.at
            self._answer()
            batch = next(batches(self.app, line.lane, HANDLERS), None)
            if batch is None:
                line.at += self.idle
            else:
                line.done += batch.settled
                line.busy += self.clock.at - line.at
                line.at = line.ended = self.clock.at
            heappush(lines, line)

    def _answer(self) -> None:
        while self.answers and self.answers[0][0] <= self.clock.at:
            given = []
            while self.answers and self.answers[0][0] <= self.clock.at and len(given) < GROUP:
                token = heappop(self.answers)[1]
                given.append(Given(token=token, score=hash(token) % 11, comment="All went well."))
            with self.app.store.write() as session:
                answer.keep(self.app, session, given)
            self.taken += len(given)

    def _due(self) -> dict[str, int]:
        query = select(col(Effect.lane), func.count()).group_by(col(Effect.lane))
        with self.app.store.read() as session:
            waits = query.where(col(Effect.state) == EffectState.DUE)
            return dict(session.connection().execute(waits).all())


def invited(store: Store, answers: int, seed: int) -> Iterator[tuple[datetime, str]]:
    """Give some surveys a link that we know, and say when it is pressed."""
    chance, surveys = Random(seed), table(Survey)
    with store.write() as session:
        ids = session.connection().execute(select(surveys.c.id)).scalars().all()
        for survey_id in chance.sample(ids, min(answers, len(ids))):
            token = f"link {survey_id}"
            session.connection().execute(
                update(surveys)
                .where(surveys.c.id == survey_id)
                .values(answer_hash=hash_of(token), expires_at=MORNING + timedelta(days=60))
            )
            hours = min(1 + chance.expovariate(1 / 4), 14)
            yield MORNING + timedelta(hours=hours), token


def app_on(store: Store, clock: Clock, crm: PacedCrm, mailer: PacedMailer) -> App:
    """Return the app with these services."""
    return App(
        config=Config.model_validate({"follow_up": {"fallback_owner": {crm.name: "o1"}}}),
        store=store,
        crms={crm.name: crm},
        mailer=mailer,
        letters=Letters(builtin=templates()),
        keys=Keys("a secret that only this benchmark knows"),
        now=clock,
    )


def main() -> None:
    """Play the day, and tell of it."""
    given = _options()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(given.url or f"sqlite:///{folder}/npsloop.db")
        told = play(store, given)
        store.close()
    told |= {"took_s": round(time.perf_counter() - started), "peak_mb": round(measure.peak_mb())}
    print(json.dumps(told) if given.json else json.dumps(told, indent=1))


def play(store: Store, given: argparse.Namespace) -> dict[str, Any]:
    """Play the day on a database, and return what came of it."""
    store.upgrade()
    clock, mails = Clock(), int(given.mails * given.share)
    people = max(int(given.people * given.share), mails)
    crowd.fill(store, crowd.Crowd(people=people, surveys=mails, due=mails, now=MORNING, days=1))
    services = {name: _service(clock, name, given.share) for name in (given.crm, MAIL)}
    looks = LOOKS if given.crm == "hubspot" else {}
    crm = PacedCrm(services[given.crm], LIMITS[given.crm][0], looks)
    app = app_on(store, clock, crm, PacedMailer(services[MAIL]))
    day = Day(app, clock, sorted(invited(store, int(given.answers * given.share), given.seed)))
    day.idle = timedelta(seconds=given.deliver_s / given.share)
    letters, *records = lanes(app)
    lines = [Line(MORNING, lane) for lane in [letters] * given.workers + records]
    day.play(sorted(lines), MORNING + timedelta(hours=24))
    return _told(day, lines, services, given.share)


def _service(clock: Clock, name: str, share: float) -> Service:
    """Return a service of which a share is ours: a call of it stands for many."""
    limit = LIMITS[name][1]
    calls = int((limit.calls or 0) * share)
    few = limit._replace(calls=calls) if calls > FEW else limit._replace(per_s=limit.per_s / share)
    return Service(clock, few, LATENCY_S / share)


def _told(
    day: Day, lines: Sequence[Line], services: dict[str, Service], share: float
) -> dict[str, Any]:
    return {
        "lines": [
            {
                "lane": line.lane,
                "items": round(line.done / share),
                "over_at": f"{line.ended:%H:%M}",
                "busy_h": round(line.busy.total_seconds() / 3600, 2),
            }
            for line in lines
        ],
        "calls": {
            name: {verb: round(n / share) for verb, n in one.calls.items()}
            for name, one in services.items()
            if one.calls
        },
        "answers": round(day.taken / share),
        "backlog": {
            hour: {lane: round(n / share) for lane, n in due.items()}
            for hour, due in day.backlog.items()
        },
    }


def _options() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--people", type=int, default=10_000_000)
    made.add_argument("--mails", type=int, default=1_000_000)
    made.add_argument("--answers", type=int, default=200_000)
    made.add_argument("--share", type=float, default=0.01, help="the part of all that is played")
    made.add_argument("--crm", choices=("hubspot", "salesforce"), default="hubspot")
    made.add_argument("--deliver-s", type=float, default=5, help="seconds between two looks")
    made.add_argument("--workers", type=int, default=4, help="how many send mail")
    made.add_argument("--url", default="", help="a database that is empty; else SQLite's")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made.parse_args()


if __name__ == "__main__":
    main()

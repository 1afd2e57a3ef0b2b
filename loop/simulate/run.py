"""One run: from a seed to a verdict."""

import hashlib
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from random import Random
from typing import Final

from loop import outbox, schedule
from loop.app import App, Keys
from loop.columns import ids_from
from loop.config import Config
from loop.letters import Letters
from loop.resources import templates
from loop.simulate import promises, troubles
from loop.simulate.database import Database
from loop.simulate.operators import Operators
from loop.simulate.outside import Crm, Line, Mailer
from loop.simulate.people import People
from loop.simulate.promises import Known, Mistakes
from loop.simulate.records import Records
from loop.simulate.witness import Witness
from loop.simulate.world import Broken, Process, World

STEPS: Final = 30
REST_STEPS: Final = 30
SECRET: Final = "a secret of a world that is gone when the run is over"  # noqa: S105 - so it is
CRMS: Final = ("sales", "hub")
SETTINGS: Final = {
    "company": {"name": "Example Ltd", "product": "the Example"},
    "programs": {
        "relationship": {"kind": "relationship", "every_days": 30},
        "support": {"kind": "touchpoint", "event": "case_closed", "delay_hours": 1},
    },
    "ask": {"rest_days": 20},
    "follow_up": {"wait_minutes": 5, "fallback_owner": dict.fromkeys(CRMS, "o2")},
    "refer": {"wait_minutes": 5},
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a run ended."""

    seed: int
    broken: Sequence[str]
    """How our promises were broken; empty where they were kept."""
    trace: Sequence[str]
    """All that happened, a line each."""
    counts: Mapping[str, int]
    """What went wrong how often, and how many mails went out."""

    @property
    def digest(self) -> str:
        """Return the same for runs in which the same happened."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def run(seed: int, database: Database) -> Verdict:
    """Play one run on a database, of which every row is deleted first."""
    database.watch = None
    database.clear()
    with _chance(seed), _listening() as mistakes:
        made = _Run(seed, database, mistakes)
        try:
            made.play()
        except Broken as broken:
            made.broken.append(str(broken))
        finally:
            database.watch = None
    world = made.world
    counts = {"steps": made.steps, "mails": len(made.mailer.sent), **world.counts}
    return Verdict(seed=seed, broken=made.broken, trace=world.trace, counts=counts)


@contextmanager
def _chance(seed: int) -> Iterator[None]:
    """Let all chance come from the seed."""
    before = random.getstate()
    random.seed(seed)
    try:
        with ids_from(seed):
            yield
    finally:
        random.setstate(before)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Keep what the log says of our mistakes, and let it be silent about outages."""
    log, heard = logging.getLogger("loop"), Mistakes()
    before, log.propagate = log.propagate, False
    log.addHandler(heard)
    try:
        yield heard.told
    finally:
        log.removeHandler(heard)
        log.propagate = before


@cache
def _letters() -> Letters:
    return Letters(builtin=templates())


class _Run:
    """A world, its people, and what can be done next."""

    def __init__(self, seed: int, database: Database, mistakes: list[str]) -> None:
        chance = Random(seed)  # noqa: S311 - a game
        self.world = world = World(chance, troubles.drawn(chance))
        self.database, self.number = database, count()
        self.crms = [Crm(Line(world, name)) for name in CRMS[: chance.randint(1, len(CRMS))]]
        self.mailer = Mailer(Line(world, "mail"))
        self.witness = Witness(world, database, self.mailer.sent)
        self.records = Records(world, self.crms)
        self.people = People(world, self.witness, self.mailer)
        self.operators = Operators(world, self.people, self.records)
        self.config = Config.model_validate(SETTINGS)
        self.broken: list[str] = []
        self.steps = self.asked = 0
        self.known = Known(
            store=database,
            inbox=self.mailer.sent,
            crms={crm.name: crm.state for crm in self.crms},
            said=self.witness.said,
            forgotten=self.witness.forgotten,
            mistakes=mistakes,
        )
        world.meanwhile, world.start = self._act, self._start
        world.looks, world.hears = self.witness.sees, self.people.hears
        self.acts = self._acts()

    def _acts(self) -> dict[Callable[[], None], int]:
        people, records, operators = self.people, self.records, self.operators
        return {
            operators.job: 24,
            operators.drain: 16,
            operators.tick: 1,
            operators.time: 12,
            operators.stop: 1,
            operators.mend: 2,
            operators.settle: 3,
            operators.forget: 1,
            people.answer: 14,
            people.unsubscribe: 2,
            people.undo: 2,
            people.join: 3,
            people.tell: 8,
            records.add: 6,
            records.remove: 1,
            records.merge: 2,
            records.close_case: 3,
            records.end_task: 3,
            records.leave_company: 1,
        }

    def play(self) -> None:
        """Let things happen, then let them come to rest."""
        self.database.watch = self.world
        self.world.fill_up()
        troubles, self.world.troubles = self.world.troubles, self.world.troubles.calmed()
        self.records.begin()
        self.operators.run("pull")
        self.operators.run("choose")
        self.world.troubles = troubles
        while self.steps < STEPS:
            before = len(self.world.trace)
            self._act()
            self.steps += len(self.world.trace) > before
            if self.asked < self.world.kept:
                self._ask(promises.ALWAYS)
        self._rest()

    def _act(self) -> None:
        """Do something."""
        [act] = self.world.chance.choices(list(self.acts), list(self.acts.values()))
        act()

    def _start(self) -> None:
        """Start a process. The only one frees what was claimed when the last one ended."""
        app = App(
            config=self.config,
            store=self.database,
            crms={crm.name: crm for crm in self.crms},
            mailer=self.mailer,
            letters=_letters(),
            keys=Keys(SECRET),
            now=self.world.clock,
            worker=f"p{next(self.number)}",
        )
        process = Process(app)
        self.world.processes.append(process)
        if not self.world.troubles.many:
            self.world.does(process, "start", _begin_anew)

    def _ask(self, wanted: Sequence[promises.Promise]) -> None:
        """Ask whether our promises are kept. Raise `Broken` where one is not."""
        self.asked = self.world.kept
        if found := self.known.broken(wanted):
            raise Broken("\n".join(found))

    def _rest(self) -> None:
        """Let everything work again, and time pass until nothing is left to do."""
        self.world.calm()
        for crm in self.crms:
            crm.poison.clear()
        self.operators.run("pull")
        self.people.tell_all()
        self.operators.mend_all()
        for _ in range(REST_STEPS):
            self.world.clock.forward(hours=2)
            self.operators.run("tidy")
            self.operators.drain_all()
            if not self.known.broken([promises.nothing_is_left_to_do]):
                break
        self.operators.run("close")
        self.operators.drain_all()
        self._ask(promises.AT_REST)


def _begin_anew(app: App) -> None:
    """Free what the last process left, as the only one does."""
    outbox.reap(app, all_claims=True)
    schedule.abandoned(app)

"""What the program does by itself, and what an operator does about it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from sqlalchemy import text
from sqlmodel import Session, col, select

from loop import leave, mend, outbox, schedule
from loop.app import App
from loop.models import Contact, Customer, Effect, Survey
from loop.schedule import HANDLERS
from loop.simulate.people import People
from loop.simulate.records import Records
from loop.simulate.world import World
from loop.states import EffectState, OutOfTurn

JOBS: Final = {"pull": 3, "choose": 3, "deliver": 1, "close": 3, "tidy": 3}
"""What runs, and how often."""
CALL_MAX_S: Final = 20.0
"""No more time passes during a call: its time-outs are shorter than a lease."""
PASSES_S: Final = (1, 60, 660, 3600, 3600, 12 * 3600, 12 * 3600, 240 * 3600, 960 * 3600)
Found = tuple[str | None, list[tuple[str, str]]]
"""A person's address and records."""
JUMPS_S: Final = (-3600, -300, -1, 1, 300, 3600)


class Operators:
    """The clock, the jobs, and a person at the command line."""

    def __init__(self, world: World, people: People, records: Records) -> None:
        self.world, self.people, self.records = world, people, records
        self.chance = world.chance
        self.dropped: list[str] = []
        """What the operator let be."""

    def job(self) -> None:
        """Let some process run a job: none twice at a time."""
        self.run(self.chance.choices(list(JOBS), list(JOBS.values()))[0])

    def run(self, name: str) -> None:
        """Run a job, unless it runs."""

        def run(app: App) -> None:
            with suppress(schedule.AtWork):
                schedule.run(app, name)

        self.run_once(name, run)

    def tick(self) -> None:
        """Let a process take what is due, and run it."""

        def tick(app: App) -> None:
            for firing in schedule.tick(app):
                schedule.fire(app, firing)

        self.run_once("tick", tick)

    def run_once(self, what: str, act: Callable[[App], object]) -> None:
        """Let a process do something, unless it is at it already."""
        process = self.world.process()
        if all(frame.process is not process or frame.what != what for frame in self.world.frames):
            self.world.does(process, what, act)

    def drain(self) -> None:
        """Let a process drain a lane in which something is due, as if it was woken for it."""
        if lanes := self._lanes():
            self._drain(self.chance.choice(lanes))

    def drain_all(self) -> None:
        """Let every lane be drained in which something is due."""
        for lane in self._lanes():
            self._drain(lane)

    def _lanes(self) -> Sequence[str]:
        query = text("SELECT DISTINCT lane FROM effect WHERE state = 'due' ORDER BY lane")
        with self.people.witness.database.read() as session:
            return session.connection().execute(query).scalars().all()

    def _drain(self, lane: str) -> None:
        self.run_once(f"drain {lane}", lambda app: outbox.drain(app, lane, HANDLERS))

    def time(self) -> None:
        """Let time pass, or set the clock."""
        jumps = self.world.troubles.jumps and self.chance.random() < 0.2  # noqa: PLR2004 - some
        seconds = float(self.chance.choice(JUMPS_S if jumps else PASSES_S))
        if self.world.in_flight is not None:
            seconds = min(abs(seconds), CALL_MAX_S)
        self.world.clock.forward(seconds=seconds)
        self.world.note(f"{seconds:+} s")

    def stop(self) -> None:
        """Kill a process that is doing nothing in particular."""
        self.world.kill(self.world.process())
        self.world.fill_up()

    # At the command line

    def mend(self) -> None:
        """Try a refused effect again, or let one be."""
        if ids := self._ids(f"state IN ('{EffectState.REFUSED}', '{EffectState.DUE}')"):
            id_, verb = self.chance.choice(ids), self.chance.choice((mend.again, mend.drop))
            self._do(id_, verb)
            if verb is mend.drop:
                self.dropped.append(id_)

    def mend_all(self) -> None:
        """Try again all that was refused, or dropped against its reason."""
        for id_ in [*self._ids(f"state = '{EffectState.REFUSED}'"), *self.dropped]:
            self._do(id_, mend.again)

    def settle(self) -> None:
        """Say of a doubtful mail what is true of it, or let it be."""
        in_flight = self.world.in_flight or frozenset()
        sent = {mail.key for mail in self.people.mailer.sent}

        def settle(app: App, session: Session, effect: Effect) -> None:
            said = "sent" if effect.key in sent else "not-sent"
            if effect.key not in in_flight:
                mend.settle(app, session, effect, said, HANDLERS)

        if ids := self._ids(f"state = '{EffectState.UNKNOWN}'"):
            self._do(self.chance.choice(ids), settle)

    def _ids(self, which: str) -> Sequence[str]:
        query = text(f"SELECT id FROM effect WHERE {which} ORDER BY id")  # noqa: S608 - words of ours
        with self.people.witness.database.read() as session:
            return session.connection().execute(query).scalars().all()

    def _do(self, id_: str, act: Callable[[App, Session, Effect], None]) -> None:
        """Do something about an effect, where its turn has not passed."""

        def unit(app: App, session: Session) -> None:
            effect = session.get_one(Effect, id_, with_for_update=True)
            with suppress(OutOfTurn):
                act(app, session, effect)

        self.people.sends(f"{act.__name__} {id_[-8:]}", unit, lambda _: None)

    def forget(self) -> None:
        """Forget a person, whose records are erased in the CRMs as well."""
        with self.people.witness.database.read() as session:
            live = select(Contact.customer_id).where(col(Contact.gone_at).is_(None))
            ids = sorted(set(session.exec(live)))
        if not ids:
            return
        id_ = self.chance.choice(ids)

        def forget(app: App, session: Session) -> Found:
            customer = session.get_one(Customer, id_)
            contacts = session.exec(select(Contact).where(Contact.customer_id == id_)).all()
            surveys = session.exec(select(Survey.id).where(Survey.customer_id == id_)).all()
            told.update(*(self.people.comments[survey] for survey in surveys))
            told.update(f"Name{contact.remote_id}" for contact in contacts)
            email, records = customer.email, [(one.crm, one.remote_id) for one in contacts]
            leave.forget(app, session, customer)
            return email, records

        told: set[str] = set()

        def kept(found: Found) -> None:
            email, records = found
            self.people.witness.leaves(email, for_good=True)
            self.people.witness.forgotten |= told - {"STOP"}
            for crm, remote_id in records:
                self.records.erase(crm, remote_id)

        self.people.sends(f"forget {id_[-8:]}", forget, kept)

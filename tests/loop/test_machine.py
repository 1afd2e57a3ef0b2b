"""Whatever happens, in whatever order: what we promise stays true after every step.

`NPSLOOP_MACHINE=2000 npsloop test tests/loop/test_machine.py` tries more than the usual few.
"""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete
from sqlmodel import SQLModel

from connectors.errors import ConnectorError
from connectors.ports import Mail, MailEvent, MailEventKind, Outcome, Trigger, TriggerEvent
from loop import leave, outbox, pull, refer, schedule
from loop.answer import Taken
from loop.app import Purpose
from loop.models import (
    Contact,
    Customer,
    Effect,
    Referral,
    Survey,
)
from loop.outbox.claim import claim
from loop.outbox.deliver import hand_over
from loop.states import OPEN, EffectState, Kind
from loop.store import Store
from tests.loop.conftest import make_world
from tests.loop.promises import RECORDS, Promises

EXAMPLES: Final = int(os.environ.get("NPSLOOP_MACHINE", "0"))
ADDRESSES: Final = ("ann@a.example", "ANN@a.example ", "ben@a.example", "cleo@b.example", "")
SETTLED: Final = {MailEventKind.BOUNCED, MailEventKind.COMPLAINED, MailEventKind.UNSUBSCRIBED}

records = st.integers(0, RECORDS - 1)
which = st.integers(0, 7)
scores = st.integers(0, 10)


class Ring(Promises):
    """A few people, a CRM, a mailer, and all that can happen to them."""

    def teardown(self) -> None:
        """Let everything come to rest, and look once more."""
        try:
            self.rest()
            self.at_rest()
        finally:
            logging.getLogger("loop").removeHandler(self.told)

    @initialize(people=st.integers(1, RECORDS))
    def begin(self, people: int) -> None:
        """Begin with a few people who were asked."""
        for n in range(people):
            self.put(n, ADDRESSES[n + 1], "a1" if n < 2 else "")
        self.ask()

    # What people do in the CRM

    def remote(self, n: int) -> str:
        """Return the record's id: a new one once it was deleted or merged."""
        return self.names[n]

    @rule(n=records, address=st.sampled_from(ADDRESSES), account=st.sampled_from(["a1", "a2", ""]))
    def put(self, n: int, address: str, account: str) -> None:
        self.pulled = False
        name = self.remote(n)
        self.world.add(name, address, last_name=f"Name{name}", account_id=account, owner_id="o1")

    @rule(n=records)
    def remove(self, n: int) -> None:
        self.pulled = False
        self.world.crm.state.contacts.pop(self.remote(n), None)
        self.names[n] = self.new_name()

    @rule(loser=records, after=st.integers(1, RECORDS - 1))
    def merge(self, loser: int, after: int) -> None:
        contacts = self.world.crm.state.contacts
        lost, won = self.remote(loser), self.remote((loser + after) % RECORDS)
        if lost in contacts and won in contacts:
            del contacts[lost]
            self.world.crm.state.merged[lost] = won
            self.pulled = False
            self.names[loser] = self.new_name()

    @rule(n=records)
    def close_case(self, n: int) -> None:
        if self.remote(n) in self.world.crm.state.contacts:
            id_ = f"t{next(self.number)}"
            self.world.crm.state.triggers[id_] = Trigger(
                id=id_,
                event=TriggerEvent.CASE_CLOSED,
                contact_id=self.remote(n),
                subject=f"About Name{self.remote(n)}",
                at=self.world.clock.at,
            )

    @rule(n=which, gone=st.booleans())
    def end_task(self, n: int, gone: bool) -> None:  # noqa: FBT001 - drawn
        crm = self.world.crm
        if key := picked(sorted(crm.state.tasks), n):
            if gone:
                del crm.state.tasks[key]
                crm.state.finished.pop(key, None)
            else:
                crm.finish(key, self.world.clock.at)

    # What the loop does

    @rule(pages=st.integers(1, 9))
    def pull(self, pages: int) -> None:
        with suppress(ConnectorError):
            for n, _ in enumerate(pull.customers(self.app), 1):
                if n == pages:
                    return
            self.pulled = True

    @rule()
    def choose(self) -> None:
        self.world.choose()

    @rule()
    def ask(self) -> None:
        self.pull(9)
        self.choose()
        self.deliver()

    @rule()
    def deliver(self) -> None:
        self.world.deliver()

    @rule(lane=which, called=st.booleans())
    def crash(self, lane: int, called: bool) -> None:  # noqa: FBT001 - drawn
        """Die between claim and record, before the call or after it; and start again."""
        name = schedule.lanes(self.app)[lane % 6]
        claimed = claim(self.app, name, 3)
        if claimed and called:
            hand_over(self.app, claimed, schedule.HANDLERS)
        outbox.reap(self.app, all_claims=True)

    @rule()
    def tidy(self) -> None:
        schedule.JOBS["tidy"].run(self.app)

    @rule()
    def close(self) -> None:
        with suppress(ConnectorError):
            self.world.close()

    @rule(down=st.booleans(), lose=st.integers(0, 2))
    def trouble_with_the_mailer(self, down: bool, lose: int) -> None:  # noqa: FBT001 - drawn
        self.world.mailer.down, self.world.mailer.lose = down, lose

    @rule(down=st.booleans(), lose=st.integers(0, 2))
    def trouble_with_the_crm(self, down: bool, lose: int) -> None:  # noqa: FBT001 - drawn
        self.world.crm.down, self.world.crm.lose = down, lose

    @rule(hours=st.sampled_from([1, 12, 24 * 10, 24 * 40, 24 * 100]))
    def time_passes(self, hours: int) -> None:
        self.world.clock.forward(hours=hours)

    # What customers do with what they got

    def mail(self, n: int) -> Any:  # noqa: ANN401 - a mail or None
        """Return one of the last mails that went out."""
        return picked(self.world.mailer.sent[::-1], n)

    def survey(self, mail: Mail) -> Survey:
        """Return the survey that a mail is about."""
        with self.app.store.read() as session:
            return session.get_one(Survey, mail.key.partition(":")[2])

    @rule(n=which, score=scores, stop=st.booleans())
    def answer(self, n: int, score: int, stop: bool) -> None:  # noqa: FBT001 - drawn
        if mail := self.mail(n):
            self.world.clock.forward(seconds=1)
            survey, comment = self.survey(mail), f"words{next(self.number):05}"
            self.comments[survey.id].append(comment)
            comment = "Stop!" if stop else comment
            given = self.world.answer(score, comment, survey=survey)
            if isinstance(given, Taken):
                self.said[survey.id] = (score, comment)
            if stop and getattr(given, "stopped", False):
                self._left(mail, survey, wish=True)

    @rule(n=which)
    def stop(self, n: int) -> None:
        if mail := self.mail(n):
            survey = self.survey(mail)
            if getattr(self.world.answer(None, "STOP", survey=survey), "stopped", False):
                self._left(mail, survey, wish=True)

    @rule(n=which)
    def unsubscribe(self, n: int) -> None:
        if mail := self.mail(n):
            survey = self._by_link(mail, leave.unsubscribe)
            self._left(mail, survey, wish=True)

    @rule(n=which)
    def undo(self, n: int) -> None:
        if mail := self.mail(n):
            survey = self._by_link(mail, leave.resubscribe)
            back = {mail.to.strip().lower(), *self._address_now(survey)} & self.by_wish
            self.left -= back
            self.by_wish -= back

    def _by_link(self, mail: Mail, press: Any) -> Survey:  # noqa: ANN401 - one of two
        token = self.app.keys.token(Purpose.LEAVE, self.survey(mail).id)
        with self.app.store.write() as session:
            survey = leave.find(session, token)
            assert survey is not None
            press(self.app, session, survey)
        return survey

    def _address_now(self, survey: Survey) -> set[str]:
        with self.app.store.read() as session:
            customer = session.get_one(Customer, survey.customer_id)
        return {customer.email} if customer.email else set()

    def _left(
        self, mail: Mail, survey: Survey, *, wish: bool = False, for_good: bool = False
    ) -> None:
        """Note who left. A wish outranks a bounce: whoever presses our link has got our mail."""
        gone = {mail.to.strip().lower()}
        if for_good:
            self.for_good |= gone
        elif wish:
            gone |= self._address_now(survey)
            self.by_wish |= gone
        self.by_wish -= self.for_good
        self.left |= gone

    @rule(n=which, kind=st.sampled_from(MailEventKind), permanent=st.booleans(), copies=which)
    def event(self, n: int, kind: MailEventKind, permanent: bool, copies: int) -> None:  # noqa: FBT001 - drawn
        mail = self.mail(n)
        if mail is None:
            return
        told = MailEvent(
            id=f"e{next(self.number)}",
            mail_key=mail.key,
            kind=kind,
            at=self.world.clock.at,
            permanent=permanent,
            reason=f"{mail.to} says no",
        )
        for _ in range(copies % 3 + 1):
            leave.take_events(self.app, [told, told], schedule.HANDLERS)
        if kind in SETTLED and (kind is not MailEventKind.BOUNCED or permanent):
            self._left(
                mail,
                self.survey(mail),
                wish=kind is MailEventKind.UNSUBSCRIBED,
                for_good=kind is MailEventKind.COMPLAINED,
            )

    @rule(n=which, friend=st.sampled_from(["fred", "frida"]))
    def friend_joins(self, n: int, friend: str) -> None:
        referral = picked(self.world.all(Referral), n)
        if referral is None:
            return
        token = self.app.keys.token(Purpose.REFER, referral.id)
        with self.app.store.write() as session:
            found = refer.find(self.app, session, token)
            if found is not None:
                refer.visit(self.app, session, found)
                words = refer.Friend(
                    first_name=friend, last_name="F", company="", email=f"{friend}@f.example"
                )
                refer.join(self.app, session, found, words)

    @rule(n=records)
    def forget(self, n: int) -> None:
        """Forget a person, whose records are erased in the CRM as well."""
        found = [c for c in self.world.all(Contact) if c.remote_id == self.remote(n)]
        if not found:
            return
        customer_id = found[0].customer_id
        mine = [c for c in self.world.all(Contact) if c.customer_id == customer_id]
        mine = [c for c in mine if c.remote_id not in self.world.crm.state.merged]
        surveys = [s for s in self.world.all(Survey) if s.customer_id == customer_id]
        for contact in mine:
            self.world.crm.state.contacts.pop(contact.remote_id, None)
            self.world.crm.state.triggers = {
                id_: trigger
                for id_, trigger in self.world.crm.state.triggers.items()
                if trigger.contact_id != contact.remote_id
            }
            self.forgotten.add(f"Name{contact.remote_id}")
        for survey in surveys:
            self.forgotten |= set(self.comments[survey.id])
        for place, name in enumerate(self.names):
            if name in {contact.remote_id for contact in mine}:
                self.names[place] = self.new_name()
        with self.app.store.write() as session:
            leave.forget(self.app, session, session.get_one(Customer, customer_id))

    # The end

    def rest(self) -> None:
        """Bring everything up and deliver until nothing is due."""
        self.world.crm.down, self.world.crm.lose = False, 0
        self.world.mailer.down, self.world.mailer.lose = False, 0
        self.pull(99)
        for _ in range(20):
            self.world.clock.forward(hours=2)
            self.tidy()
            self.world.deliver()
            if not any(e.state is EffectState.DUE for e in self.world.all(Effect)):
                return
        raise AssertionError([e for e in self.world.all(Effect) if e.state is EffectState.DUE])


def picked(of: Any, n: int) -> Any:  # noqa: ANN401 - one of them
    """Return one of a list, None where it is empty."""
    return of[n % len(of)] if of else None


def watched(ring: Ring) -> None:
    """Let the mailer look at whom each mail goes to, as it goes out."""
    send = ring.world.mailer.send

    def looked_at(mails: Sequence[Mail]) -> Sequence[Outcome]:
        for mail in mails:
            assert mail.to.strip().lower() not in ring.left, "mailed after they left"
            if mail.key.startswith(Kind.ASK):
                assert stand(ring, ring.survey(mail)) == 1, "a second question to one person"
        return send(mails)

    ring.world.mailer.send = looked_at  # type: ignore[method-assign]


def stand(ring: Ring, survey: Survey) -> int:
    """Return how many questions to the person of a survey are open."""
    now = ring.world.clock.at
    return sum(
        one.stage in OPEN and one.expires_at > now
        for one in ring.world.all(Survey)
        if one.customer_id == survey.customer_id
    )


def begin(store: Store, monkeypatch: pytest.MonkeyPatch) -> Ring:
    """Return a machine on an empty database, whose ids are the same each time."""
    monkeypatch.setattr("loop.columns._time_ns", lambda: 0)
    monkeypatch.setattr("loop.columns._CHANCE", Random(0))
    with store.write() as session:
        for table in reversed(SQLModel.metadata.sorted_tables):
            session.connection().execute(delete(table))
    world = make_world(store)
    world.add_owner()
    world.add_owner("o9", "Felix Fallback")
    world.add_account(owner_id="o1")
    world.add_account("a2", "Bolt")
    ring = Ring(world)
    watched(ring)
    return ring


@pytest.mark.timeout(600)
def test_what_we_promise_holds_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing doubled, nothing lost, nobody mailed after leaving: see the invariants."""
    store = Store("sqlite://")
    store.upgrade()
    run_state_machine_as_test(
        lambda: begin(store, monkeypatch),  # type: ignore[arg-type]  # called as a class is
        settings=settings(
            max_examples=EXAMPLES or 40,
            stateful_step_count=40,
            deadline=None,
            derandomize=not EXAMPLES,
            suppress_health_check=list(HealthCheck),
        ),
    )
    store.close()
